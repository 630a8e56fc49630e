/* SPDX-License-Identifier: Apache-2.0 */
#include "check/accounts.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "conf/build.h"

struct account_use {
	const char *object, *word; /* what names it, and the word before the name */
	const char *keeps;         /* what is not done without it */
	const char *name;
	bool is_group;
	uid_t uid; /* (uid_t)-1: that is not kept */
};

typedef void use_function(void *arg, const struct account_use *use);

struct visit {
	use_function *function;
	void *arg;
	const char *object;
};

static void visit_user(const struct visit *visit, const char *word, const char *name,
		       const char *keeps)
{
	if (name)
		visit->function(visit->arg, &(struct account_use){visit->object, word, keeps, name,
								  false, (uid_t)-1});
}

static void visit_group(const struct visit *visit, const char *word, const char *name,
			const char *keeps)
{
	if (name)
		visit->function(visit->arg, &(struct account_use){visit->object, word, keeps, name,
								  true, (uid_t)-1});
}

static void visit_worker(const struct visit *visit, const struct conf_worker *worker)
{
	const char *keeps = "no worker is started";

	visit_user(visit, "user", worker->user, keeps);
	visit_group(visit, "group", worker->group, keeps);
	visit_user(visit, "before_start user", worker->before_start_user, keeps);
	visit_user(visit, "after_stop user", worker->after_stop_user, "after_stop does not run");
}

static void visit_owner(const struct visit *visit, const struct conf_backend *backend)
{
	char object[160], text[ADDR_TEXT_BYTES];

	if (!backend->owner)
		return;
	snprintf(object, sizeof(object), "%s: backend %s", visit->object,
		 addr_format_endpoint(&backend->endpoint, text));
	visit->function(visit->arg,
			&(struct account_use){object, "owner", "nobody's listener is taken",
					      backend->owner, false, backend->owner_uid});
}

static void visit_pool(struct visit visit, const struct conf_pool *pool)
{
	const char *keeps = "its checks fail";
	char object[100];

	snprintf(object, sizeof(object), "pool %s", pool->name);
	visit.object = object;
	if (pool->worker)
		visit_worker(&visit, pool->worker);
	visit_user(&visit, "health user", pool->health.user, keeps);
	visit_group(&visit, "health group", pool->health.group, keeps);
	for (size_t i = 0; i < pool->backend_count; i++)
		visit_owner(&visit, &pool->backends[i]);
}

static void each_use(const struct conf *conf, use_function *function, void *arg)
{
	const struct visit visit = {function, arg, "control"};
	const char *keeps = "nobody has that right";

	visit_user(&visit, "owner", conf->control_user, keeps);
	visit_group(&visit, "group", conf->control_group, keeps);
	for (size_t i = 0; i < conf->pool_count; i++)
		visit_pool(visit, &conf->pools[i]);
}

static bool is_unknown(const struct account_use *use)
{
	uid_t uid;

	return use->is_group ? conf_find_gid(use->name) : conf_find_uid(use->name, &uid);
}

static void warn_of(void *arg, const struct account_use *use)
{
	const struct launch_warn *warn = arg;
	struct error error;

	if (!is_unknown(use))
		return;
	error_set(&error, 0,
		  "%s: %s %.80s is unknown on this host, and until it is there %s: add it "
		  "(add%s --system %.80s) and `lbctl reload`, or name another",
		  use->object, use->word, use->name, use->keeps, use->is_group ? "group" : "user",
		  use->name);
	warn->tell(warn->arg, error.text);
}

void conf_accounts_warn(const struct conf *conf, const struct launch_warn *warn)
{
	each_use(conf, warn_of, (void *)warn);
}

struct search {
	const char *name;
	bool is_group, found;
	uid_t uid;
};

static void compare(void *arg, const struct account_use *use)
{
	struct search *search = arg;

	if (use->is_group != search->is_group || strcmp(use->name, search->name) != 0)
		return;
	search->found = true;
	if (use->uid != (uid_t)-1)
		search->uid = use->uid;
}

bool conf_accounts_has(const struct conf *conf, const char *name, bool is_group, uid_t *uid)
{
	struct search search = {name, is_group, false, (uid_t)-1};

	each_use(conf, compare, &search);
	*uid = search.uid;
	return search.found;
}

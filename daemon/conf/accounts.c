/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

struct visit {
	conf_account_function *function;
	void *arg;
	const char *object;
};

static void visit_user(const struct visit *visit, const char *word, const char *name,
		       const char *keeps)
{
	if (name)
		visit->function(visit->arg, &(struct conf_account){visit->object, word, keeps, name,
								   false, (uid_t)-1});
}

static void visit_group(const struct visit *visit, const char *word, const char *name,
			const char *keeps)
{
	if (name)
		visit->function(visit->arg, &(struct conf_account){visit->object, word, keeps, name,
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

static void visit_maker(const struct visit *visit, const struct conf_backend *backend)
{
	char object[160], text[ADDR_TEXT_BYTES];

	if (!backend->maker)
		return;
	snprintf(object, sizeof(object), "%s: backend %s", visit->object,
		 addr_format_endpoint(&backend->endpoint, text));
	visit->function(visit->arg,
			&(struct conf_account){object, "owner", "nobody's listener is taken",
					       backend->maker, false, backend->maker_uid});
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
		visit_maker(&visit, &pool->backends[i]);
}

void conf_each_account(const struct conf *conf, conf_account_function *function, void *arg)
{
	const struct visit visit = {function, arg, "control"};
	const char *keeps = "nobody has that right";

	visit_user(&visit, "owner", conf->control_user, keeps);
	visit_group(&visit, "group", conf->control_group, keeps);
	for (size_t i = 0; i < conf->pool_count; i++)
		visit_pool(visit, &conf->pools[i]);
}

struct search {
	const char *name;
	bool is_group, found;
	uid_t uid;
};

static void compare_account(void *arg, const struct conf_account *use)
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

	conf_each_account(conf, compare_account, &search);
	*uid = search.uid;
	return search.found;
}

const struct conf_accepted *conf_accepted;

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

int conf_find_uid(const char *name, uid_t *uid)
{
	const struct passwd *entry = getpwnam(name);

	if (!entry && is_number(name))
		entry = getpwuid((uid_t)strtoul(name, NULL, 10));
	if (!entry)
		return -ENOENT;
	*uid = entry->pw_uid;
	return 0;
}

int conf_find_gid(const char *name)
{
	bool found =
		getgrnam(name) || (is_number(name) && getgrgid((gid_t)strtoul(name, NULL, 10)));

	return found ? 0 : -ENOENT;
}

static bool is_accepted(const char *name, bool is_group, uid_t *uid)
{
	const struct conf *before = conf_accepted ? conf_accepted->before : NULL;

	*uid = (uid_t)-1;
	return conf_accepted &&
	       (conf_accepted->all || (before && conf_accounts_has(before, name, is_group, uid)));
}

int conf_accept_user(const char *name, uid_t *uid)
{
	return conf_find_uid(name, uid) && !is_accepted(name, false, uid) ? -ENOENT : 0;
}

int conf_accept_group(const char *name)
{
	uid_t ignored;

	return conf_find_gid(name) && !is_accepted(name, true, &ignored) ? -ENOENT : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "apply.h"
#include "lb/ctl.h"
#include "roll.h"

static const struct verb {
	const char *name;
	bool changes; /* root and group lbd only */
	verb_handler *handler;
} verbs[] = {
	{"attach", true, verb_attach},
	{"clear", true, verb_clear},
	{"detach", true, verb_detach},
	{"pid", false, verb_pid},
	{"pool", false, verb_pool},
	{"pool add", true, verb_pool_add},
	{"pool drain", true, verb_pool_drain},
	{"pool remove", true, verb_pool_remove},
	{"pool undrain", true, verb_pool_undrain},
	{"reexec", true, verb_reexec},
	{"reload", true, verb_reload},
	{"reread", false, verb_reread},
	{"roll", true, verb_roll},
	{"save", true, verb_save},
	{"service", false, verb_service},
	{"service add", true, verb_service_add},
	{"service remove", true, verb_service_remove},
	{"shutdown", true, verb_shutdown},
	{"signal", true, verb_signal},
	{"status", false, verb_status},
	{"tail", true, verb_tail}, /* output may hold secrets */
	{"update", true, verb_reload},
	{"version", false, verb_version},
	{"worker", false, verb_worker},
	{"worker restart", true, verb_worker_restart},
	{"worker start", true, verb_worker_start},
	{"worker stop", true, verb_worker_stop},
};

const char *answer_word(const struct call *call, const char *member, const char *fallback)
{
	const char *word = json_string_value(json_object_get(call->message, member));

	return word ? word : fallback;
}

bool answer_flag(const struct call *call, const char *member)
{
	return json_is_true(json_object_get(call->message, member));
}

int answer_pool(struct call *call, struct pool **pool)
{
	const char *name = answer_word(call, "pool", "default");

	*pool = pool_find(&call->lbd->model, name);
	if (*pool)
		return 0;
	return error_set(&call->error, -ENOENT, "%s: no such pool (`lbctl pool` lists them)", name);
}

/* An address is in one pool at most, so that the pool's name may be left out. */
int answer_backend(struct call *call, struct backend **backend)
{
	const char *name = answer_word(call, "pool", NULL);
	const char *address = answer_word(call, "address", "");
	struct lb_endpoint endpoint;
	struct pool *pool = NULL;
	int err = addr_parse_endpoint(address, &endpoint, &call->error);

	if (!err && name)
		err = answer_pool(call, &pool);
	if (err)
		return err;
	*backend = pool_find_backend(&call->lbd->model, pool, &endpoint);
	if (*backend)
		return 0;
	return error_set(&call->error, -ENOENT, "%s: no such backend%s%s (`lbctl pool` lists them)",
			 address, name ? " in pool " : "", name ? name : "");
}

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void handle(void *arg, struct control_request *request, json_t *message, bool may_change)
{
	struct call call = {
		.lbd = arg, .request = request, .message = message, .exit_code = LB_CTL_REFUSED};
	const char *name = answer_word(&call, "verb", "");
	const struct verb *verb = find(name);

	if (!verb) {
		error_set(&call.error, -EINVAL,
			  "\"%.40s\": no such verb; lbd and lbctl may differ in version "
			  "(`lbctl version`)",
			  name);
		control_refuse(request, LB_CTL_USAGE, call.error.text);
		return;
	}
	if (verb->changes && !may_change) {
		error_set(&call.error, -EPERM,
			  "%s: only root and members of group %s may do this (try sudo)", name,
			  LB_CTL_GROUP);
		control_refuse(request, LB_CTL_REFUSED, call.error.text);
		return;
	}
	apply_now(&call.lbd->model); /* what is answered is what the kernel side does */
	if (verb->handler(&call) < 0)
		control_refuse(request, call.exit_code, call.error.text);
}

static void gone(void *arg, struct control_request *request)
{
	struct lbd *lbd = arg;

	wait_gone(&lbd->waits, request);
	follow_gone(&lbd->follows, request);
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_unwatch(lbd->model.pools[i], request);
}

const struct control_handler *answer_handler(void)
{
	static const struct control_handler handler = {.request = handle, .gone = gone};

	return &handler;
}

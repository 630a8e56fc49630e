/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/call.h"

#include <errno.h>

#include "base/addr.h"

const char *call_word(const struct call *call, const char *member, const char *fallback)
{
	const char *word = json_string_value(json_object_get(call->message, member));

	return word ? word : fallback;
}

bool call_flag(const struct call *call, const char *member)
{
	return json_is_true(json_object_get(call->message, member));
}

int call_pool(struct call *call, struct pool **pool)
{
	const char *name = call_word(call, "pool", "default");

	*pool = pool_find(&call->lbd->model, name);
	if (*pool)
		return 0;
	return error_set(&call->error, -ENOENT, "%s: no such pool (`lbctl pool` lists them)", name);
}

/* An address is in one pool at most, so that the pool's name may be left out. */
int call_backend(struct call *call, struct backend **backend)
{
	const char *name = call_word(call, "pool", NULL);
	const char *address = call_word(call, "address", "");
	struct lb_endpoint endpoint;
	struct pool *pool = NULL;
	int err = addr_parse_endpoint(address, &endpoint, &call->error);

	if (!err && name)
		err = call_pool(call, &pool);
	if (err)
		return err;
	*backend = pool_find_backend(&call->lbd->model, pool, &endpoint);
	if (*backend)
		return 0;
	return error_set(&call->error, -ENOENT, "%s: no such backend%s%s (`lbctl pool` lists them)",
			 address, name ? " in pool " : "", name ? name : "");
}

int call_wait(struct call *call, enum wait_for what, struct backend **backends, size_t count)
{
	int err = wait_add(&call->verbs->waits, call->request, what, backends, count);

	return err ? error_set(&call->error, err, "out of memory") : 0;
}

/* In all that is within: a view is no deeper than what it shows. */
static void leave_notes_out(json_t *view)
{
	const char *member;
	json_t *value;
	size_t i;

	json_object_del(view, "note");
	json_object_foreach(view, member, value)
	{
		leave_notes_out(value);
	}
	json_array_foreach(view, i, value)
	{
		leave_notes_out(value);
	}
}

void call_show(struct call *call, json_t *view)
{
	if (!call->may_change)
		leave_notes_out(view);
	control_reply(call->request, view);
}

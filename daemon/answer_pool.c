/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of pools and their backends. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "answer_change.h"
#include "backend.h"
#include "conf_table.h"
#include "nobody.h"
#include "view.h"

int verb_pool(struct call *call)
{
	control_reply(call->request, view_pools(call->lbd, call->may_change));
	return 0;
}

static int do_pool_add(struct block *root, struct call *call)
{
	return edit_backend_add(root, answer_word(call, "pool", "default"),
				answer_word(call, "address", ""), answer_word(call, "weight", NULL),
				answer_word(call, "max_connections", NULL),
				answer_word(call, "owner", NULL), &call->error);
}

int verb_pool_add(struct call *call)
{
	struct backend *backend;
	int err = change_make(call, do_pool_add);

	if (err)
		return err;
	if (answer_backend(call, &backend))
		control_message(call->request, "added");
	else
		control_message(call->request, "added: %s%s%s", state_name(backend->state),
				backend->note[0] ? ", " : "", backend->note);
	return 0;
}

static int do_pool_remove(struct block *root, struct call *call)
{
	const char *address = answer_word(call, "address", NULL);
	const char *pool = answer_word(call, "pool", NULL);
	struct backend *backend;
	int err;

	if (!address)
		return edit_pool_remove(root, pool ? pool : "", &call->error);
	err = answer_backend(call, &backend);
	if (err)
		return err;
	return edit_backend_remove(root, backend->pool->name, address, &call->error);
}

/* "30s", "500ms", "2m", as in the configuration. */
static int drain_timeout(struct call *call, const struct backend *backend, uint64_t *timeout_us)
{
	const char *text = answer_word(call, "timeout", NULL);
	uint64_t ms = backend->pool->conf->drain_timeout_ms;

	if (text && conf_parse_ms(text, UINT32_MAX, &ms))
		return error_set(&call->error, -EINVAL,
				 "timeout \"%s\": not a duration such as 500ms, 30s or 5m", text);
	*timeout_us = ms * 1000ULL;
	return 0;
}

/* Its connections may go on for as long as the request says, else for its pool's drain_timeout. */
int verb_pool_remove(struct call *call)
{
	struct model *model = &call->lbd->model;
	struct backend *backend = NULL;
	char pool[BACKEND_NAME_BYTES] = "";
	bool was_so = false;
	int err = 0;

	if (answer_word(call, "address", NULL)) {
		err = answer_backend(call, &backend);
		if (!err) {
			snprintf(pool, sizeof(pool), "%s", backend->pool->name);
			was_so = nobody_serves(backend->pool);
		}
		if (!err && answer_word(call, "timeout", NULL))
			err = drain_timeout(call, backend, &backend->leave_timeout_us);
	}
	if (!err)
		err = change_make(call, do_pool_remove);
	if (err) {
		if (backend)
			backend->leave_timeout_us = UINT64_MAX; /* of this request alone */
		return err;
	}
	answer_nobody(call, pool_find(model, pool), was_so);
	for (struct backend *at = model->leaving; at && answer_flag(call, "wait"); at = at->next)
		if (at == backend)
			return wait_add(&call->lbd->waits, call->request, WAIT_DRAINED, &backend,
					1);
	control_message(call->request, "removed");
	return 0;
}

static int do_drain_word(struct block *root, struct call *call)
{
	struct backend *backend;
	int err = answer_backend(call, &backend);

	if (err)
		return err;
	return edit_backend_drain(root, backend->pool->name, answer_word(call, "address", ""),
				  !strcmp(answer_word(call, "verb", ""), "pool drain"));
}

/* A worker has no line of its own in the configuration: there it is a state, until it is undrained. */
static int save_drain_word(struct call *call, struct backend *backend, bool drain)
{
	int err;

	if (backend->worker || backend->drain_asked == drain)
		return 0;
	backend->drain_asked = drain;
	err = change_make(call, do_drain_word);
	if (err)
		backend->drain_asked = !drain;
	return err;
}

int verb_pool_drain(struct call *call)
{
	struct backend *backend;
	uint64_t timeout_us = 0;
	int err = answer_backend(call, &backend);
	bool was_so;

	if (!err)
		err = drain_timeout(call, backend, &timeout_us);
	if (err)
		return err;
	was_so = nobody_serves(backend->pool);
	if (backend_keep_out(backend, timeout_us) && backend->state != STATE_DRAINED)
		return error_set(&call->error, -EINVAL, "%s: %s: there is nothing to drain",
				 backend->name, state_name(backend->state));
	err = save_drain_word(call, backend, true);
	if (err) {
		backend_put_back(backend);
		return err;
	}
	answer_nobody(call, backend->pool, was_so);
	if (answer_flag(call, "wait"))
		return wait_add(&call->lbd->waits, call->request, WAIT_DRAINED, &backend, 1);
	if (backend->worker && !state_has_process(backend->state))
		control_message(call->request,
				"%s: drained from its start on, until `lbctl pool undrain`",
				state_name(backend->state));
	else
		control_message(call->request, "%s: %u connections open",
				state_name(backend->state), backend_connections(backend));
	return 0;
}

int verb_pool_undrain(struct call *call)
{
	struct backend *backend;
	int err = answer_backend(call, &backend);

	if (err)
		return err;
	if (backend_put_back(backend))
		return error_set(&call->error, -EALREADY, "%s: is %s, not drained", backend->name,
				 state_name(backend->state));
	err = save_drain_word(call, backend, false);
	if (err) {
		backend_keep_out(backend, backend->pool->conf->drain_timeout_ms * 1000ULL);
		return err;
	}
	control_message(call->request, "%s", state_name(backend->state));
	return 0;
}

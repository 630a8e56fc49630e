/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of pools and their backends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "backend/backend.h"
#include "conf/table.h"
#include "lb/ctl.h"
#include "listeners/listeners.h"
#include "reconcile/nobody.h"
#include "remember/remember.h"
#include "verbs/change.h"
#include "verbs/handlers.h"
#include "verbs/served.h"
#include "view/view.h"

int verb_pool(struct call *call)
{
	struct pool *pool = NULL;
	int err = call_word(call, "pool", NULL) ? call_pool(call, &pool) : 0;

	if (err)
		return err;
	listeners_scan(&call->lbd->model);
	call_show(call, view_pools(call->lbd, pool));
	return 0;
}

static int do_pool_add(struct block *root, struct call *call)
{
	return edit_backend_add(root, call_word(call, "pool", "default"),
				call_word(call, "address", ""), call_word(call, "weight", NULL),
				call_word(call, "max_connections", NULL),
				call_word(call, "owner", NULL), &call->error);
}

int verb_pool_add(struct call *call)
{
	const struct model *model = &call->lbd->model;
	const char *name = call_word(call, "pool", "default");
	const struct pool *before = pool_find(model, name);
	bool was_there = before, was_so = before && nobody_serves(before);
	struct backend *backend;
	int err = change_make(call, do_pool_add);

	if (err)
		return err;
	if (!was_there)
		served_warn_pool(call, name);
	served_warn(call, pool_find(model, name), was_so);
	if (call_backend(call, &backend))
		control_message(call->request, "added");
	else
		control_message(call->request, "added: %s%s%s", state_name(backend->state),
				backend->note[0] ? ", " : "", backend->note);
	return 0;
}

static int do_pool_remove(struct block *root, struct call *call)
{
	return edit_pool_remove(root, call_word(call, "pool", ""), call_flag(call, "force"),
				&call->error);
}

static int do_backend_remove(struct block *root, struct call *call)
{
	struct backend *backend;
	int err = call_backend(call, &backend);

	if (err)
		return err;
	return edit_backend_remove(root, backend->pool->name, call_word(call, "address", ""),
				   &call->error);
}

/* "30s", "500ms", "2m", as in the configuration. */
static int drain_timeout(struct call *call, const struct pool *pool, uint64_t *timeout_us)
{
	const char *text = call_word(call, "timeout", NULL);
	uint64_t ms = pool->conf->drain_timeout_ms;

	if (text && conf_parse_ms(text, UINT32_MAX, &ms))
		return error_set(&call->error, -EINVAL,
				 "timeout \"%s\": not a duration such as 500ms, 30s or 5m", text);
	*timeout_us = ms * 1000ULL;
	return 0;
}

static bool is_leaving(const struct model *model, const struct backend *backend)
{
	const struct backend *at = model->leaving;

	while (at && at != backend)
		at = at->next;
	return at;
}

/*
 * The service that no file has goes with the last backend of its pool: whoever else has its port gets its clients.  So
 * does a pool that has nothing else.
 */
static const char *removed_words(const struct model *model, const char *pool, bool was_served,
				 bool is_backend)
{
	if (was_served && !conf_find_service(model->conf, "default"))
		return "removed, and with it service default";
	return is_backend && !pool_find(model, pool) ? "removed, and with it its pool, which had "
						       "no other"
						     : "removed";
}

/* Of those that leave: ", but 2 connections are open yet, for 30.0 s at most"; "" where there is none. */
static void open_words(struct backend **leaving, size_t count, char words[96])
{
	unsigned open = 0;
	size_t used;

	words[0] = 0;
	for (size_t i = 0; i < count; i++)
		open += backend_connections(leaving[i]);
	if (!open)
		return;
	used = (size_t)snprintf(words, 96, ", but %u connection%s open yet", open,
				open == 1 ? " is" : "s are");
	if (leaving[0]->drain.timeout_us != UINT64_MAX)
		snprintf(words + used, 96 - used, ", for %.1f s at most",
			 (double)leaving[0]->drain.timeout_us / 1e6);
}

static int reply_removed(struct call *call, const char *pool, struct backend **backends,
			 size_t count, bool was_served)
{
	const struct model *model = &call->lbd->model;
	size_t leaving = 0;
	char open[96];

	for (size_t i = 0; i < count; i++)
		if (is_leaving(model, backends[i]))
			backends[leaving++] = backends[i];
	if (leaving && call_flag(call, "wait"))
		return call_wait(call, WAIT_DRAINED, backends, leaving);
	open_words(backends, leaving, open);
	control_message(call->request, "%s%s",
			removed_words(model, pool, was_served, call_word(call, "address", NULL)),
			open);
	return 0;
}

/* Their connections may go on for as long as the request says, else for their pool's drain_timeout. */
static int remove_backends(struct call *call, struct pool *pool, struct backend **backends,
			   size_t count, edit_function *edit)
{
	struct model *model = &call->lbd->model;
	bool was_served = conf_find_service(model->conf, "default");
	bool was_so = nobody_serves(pool);
	uint64_t timeout_us = UINT64_MAX;
	char name[BACKEND_NAME_BYTES];
	int err = 0;

	snprintf(name, sizeof(name), "%s", pool->name);
	if (call_word(call, "timeout", NULL))
		err = drain_timeout(call, pool, &timeout_us);
	for (size_t i = 0; i < count; i++)
		backends[i]->leave.timeout_us = timeout_us;
	if (!err)
		err = change_make(call, edit);
	if (!err) {
		served_warn(call, pool_find(model, name), was_so);
		return reply_removed(call, name, backends, count, was_served);
	}
	for (size_t i = 0; i < count; i++)
		backends[i]->leave.timeout_us = UINT64_MAX; /* of this request alone */
	return err;
}

static int remove_pool(struct call *call)
{
	struct backend **backends;
	struct pool *pool;
	size_t count;
	int err = call_pool(call, &pool);

	if (err)
		return err;
	count = pool->count;
	backends = calloc(count + 1, sizeof(*backends));
	if (!backends)
		return error_set(&call->error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < count; i++)
		backends[i] = pool->backends[i];
	err = remove_backends(call, pool, backends, count, do_pool_remove);
	free(backends);
	return err;
}

int verb_pool_remove(struct call *call)
{
	struct backend *backend;
	int err;

	if (!call_word(call, "address", NULL)) {
		if (call_word(call, "pool", NULL))
			return remove_pool(call);
		call->exit_code = LB_CTL_USAGE;
		return error_set(&call->error, -EINVAL,
				 "pool remove: the ADDR:PORT of a backend, or the POOL that is to "
				 "go as a whole, is missing");
	}
	if (call_flag(call, "force")) {
		call->exit_code = LB_CTL_USAGE;
		return error_set(&call->error, -EINVAL,
				 "pool remove: force is for a pool as a whole, without ADDR:PORT");
	}
	err = call_backend(call, &backend);
	return err ? err : remove_backends(call, backend->pool, &backend, 1, do_backend_remove);
}

static int do_weight(struct block *root, struct call *call)
{
	struct backend *backend;
	int err = call_backend(call, &backend);

	if (err)
		return err;
	return edit_backend_weight(root, backend->pool->name, call_word(call, "address", ""),
				   call_word(call, "weight", ""), &call->error);
}

/* A worker has no line of its own in the configuration: there it is a state, until it is set back. */
static void set_weight(struct backend *backend, unsigned weight)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i] == backend)
			backend_set_weight(backend, pool->conf->backends[i].weight, weight);
	remember_later(backend->model);
	apply_backend(backend);
}

int verb_pool_set(struct call *call)
{
	const char *text = call_word(call, "weight", "");
	struct backend *backend;
	uint64_t weight;
	unsigned before;
	int err = call_backend(call, &backend);

	if (err)
		return err;
	if (conf_parse_number(text, CONF_WEIGHT_MAX, &weight) || !weight)
		return error_set(&call->error, -EINVAL,
				 "%s: weight \"%s\": not a number from 1 to %d (`lbctl pool drain` "
				 "takes a backend out of service)",
				 backend->name, text, CONF_WEIGHT_MAX);
	before = backend->weight;
	if (backend->worker)
		set_weight(backend, (unsigned)weight);
	else
		err = change_make(call, do_weight);
	if (err)
		return err;
	control_message(call->request, "%s: weight %u, was %u%s", backend->name, backend->weight,
			before, backend->asked_weight ? ", by command: a reload leaves it so" : "");
	return 0;
}

static int do_drain_word(struct block *root, struct call *call)
{
	struct backend *backend;
	int err = call_backend(call, &backend);

	if (err)
		return err;
	return edit_backend_drain(root, backend->pool->name, call_word(call, "address", ""),
				  !strcmp(call_word(call, "verb", ""), "pool drain"));
}

/* A worker has no line of its own in the configuration: there it is a state, until it is undrained. */
static int save_drain_word(struct call *call, struct backend *backend, bool drain)
{
	int err;

	if (backend->worker || backend->drain.asked == drain)
		return 0;
	backend->drain.asked = drain;
	err = change_make(call, do_drain_word);
	if (err)
		backend->drain.asked = !drain;
	return err;
}

int verb_pool_drain(struct call *call)
{
	struct backend *backend;
	uint64_t timeout_us = 0;
	int err = call_backend(call, &backend);
	bool was_so;

	if (!err)
		err = drain_timeout(call, backend->pool, &timeout_us);
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
	served_warn(call, backend->pool, was_so);
	if (call_flag(call, "wait"))
		return call_wait(call, WAIT_DRAINED, &backend, 1);
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
	int err = call_backend(call, &backend);

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

/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of workers: what runs, and that it is to. */
#include <errno.h>
#include <stdlib.h>

#include "backend/process.h"
#include "listeners/listeners.h"
#include "reconcile/nobody.h"
#include "roll/roll.h"
#include "verbs/handlers.h"
#include "verbs/served.h"
#include "verbs/targets.h"
#include "view/view.h"
#include "worker/worker.h"

int verb_worker(struct call *call)
{
	const char *name = call_word(call, "name", NULL);
	struct targets *targets;

	if (name) {
		targets = targets_of(call);
		if (!targets)
			return -ENOENT;
		free(targets);
	}
	listeners_scan(&call->lbd->model); /* who has a port now */
	call_show(call, view_workers(call->lbd, name));
	return 0;
}

static void start_by_hand(struct backend *backend)
{
	backend_process_start_by_hand(backend);
}

static void stop_drained(struct backend *backend)
{
	uint64_t timeout_us = backend->pool->conf->drain_timeout_ms * 1000ULL;

	if (backend->goal != GOAL_LEAVE) /* that ends with a stop, too */
		backend_drain(backend, timeout_us, GOAL_STOP);
}

static int each_then_wait(struct call *call, void (*act)(struct backend *), enum wait_for what)
{
	struct targets *targets = targets_of(call);
	int err;

	if (!targets)
		return -ENOENT;
	err = what == WAIT_STARTED ? targets_drop_leavers(call, targets) : 0;
	for (size_t i = 0; i < targets->count && !err; i++) {
		struct backend *backend = targets->list[i];
		bool was_so = nobody_serves(backend->pool);

		act(backend);
		served_warn(call, backend->pool, was_so);
	}
	if (!err)
		err = call_wait(call, what, targets->list, targets->count);
	free(targets);
	return err;
}

int verb_worker_start(struct call *call)
{
	return each_then_wait(call, start_by_hand, WAIT_STARTED);
}

int verb_worker_stop(struct call *call)
{
	return each_then_wait(call, stop_drained, WAIT_STOPPED);
}

/* In turns, pool by pool, so that each goes on serving. */
int verb_worker_restart(struct call *call)
{
	struct targets *targets = targets_of(call);
	struct model *model = &call->lbd->model;
	int err;

	if (!targets)
		return -ENOENT;
	err = targets_drop_leavers(call, targets);
	for (size_t i = 0; i < targets->count && !err; i++)
		roll_mark(targets->list[i], call_flag(call, "force"));
	for (size_t i = 0; i < model->pool_count && !err; i++)
		if (roll_go(model->pools[i]))
			err = error_set(&call->error, -ENOMEM, "out of memory");
	if (!err)
		err = call_wait(call, WAIT_RESTARTED, targets->list, targets->count);
	free(targets);
	return err;
}

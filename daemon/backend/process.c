/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "apply/apply.h"
#include "backend/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "looks/accepts.h"
#include "looks/port_user.h"
#include "model/leaving.h"
#include "remember/remember.h"

/* What the kernel side has in its slots: of a process that has ended it does not always tell. */
static void look_at_listeners(struct backend *backend)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;
		int err = datapath_get_listener(backend->model->dp, backend->id, is_v6, &cookie);

		if (!err || err == -ENOENT) /* else nothing is known anew */
			backend_set_listener(backend, is_v6, !err);
	}
}

/*
 * DANGER: what lbd keeps from a time with `listen inherit`, or with other addresses, would be taken for the next
 * process's listener, and clients be sent there, before that one listens.
 */
static void drop_listeners(struct backend *backend)
{
	if (!worker_drop_listeners(backend->worker))
		return;
	apply_worker_ended(backend);
	look_at_listeners(backend);
}

void backend_process_set_conf(struct backend *backend)
{
	worker_set_conf(backend->worker, backend_worker_conf(backend));
	if (!worker_pid(backend->worker))
		drop_listeners(backend);
}

static void on_exited(void *arg, const struct worker_exit *exit)
{
	struct backend *backend = arg;

	worker_drop_listeners(backend->worker);
	apply_worker_ended(backend);
	look_at_listeners(
		backend); /* where the kernel side did not see it listen, it does not tell */
	backend_process_exited(backend, exit);
}

static void on_ready(void *arg)
{
	struct backend *backend = arg;

	backend->notified = true;
	backend_evaluate(backend);
}

/* It drains itself: no new connections, and those that are open have their time. */
static void on_stopping(void *arg)
{
	struct backend *backend = arg;

	if (backend->goal != GOAL_RUN)
		return;
	backend->drain.timeout_us = backend->pool->conf->drain_timeout_ms * 1000ULL;
	backend_event(backend, EVENT_DRAIN);
}

static bool on_hung(void *arg)
{
	return backend_process_hung(arg);
}

static void on_unheard(void *arg)
{
	backend_process_unheard(arg);
}

static void on_heard(void *arg)
{
	backend_process_heard(arg);
}

static void on_unlistened(void *arg)
{
	backend_process_wrong(arg, "its inherited listener cannot be used any more");
}

static int on_placed(void *arg)
{
	struct backend *backend = arg;
	bool did_owe = backend->owes_end;
	int err = apply_worker(backend);

	if (did_owe && !err) /* what the process before had left is gone */
		look_at_listeners(backend);
	return err;
}

static void use_inherited(struct backend *backend);

static void on_relistened(void *arg)
{
	struct backend *backend = arg;

	use_inherited(backend);
	remember_later(backend->model);
}

static void on_runs(void *arg)
{
	struct backend *backend = arg;

	accepts_watch(backend, clock_us());
	backend_set_health(backend, &backend->pool->conf->health);
	backend_evaluate(backend);
	apply_backend(backend); /* what it inherits is of use by now */
}

static const struct worker_ops ops = {
	.runs = on_runs,
	.relistened = on_relistened,
	.placed = on_placed,
	.ready = on_ready,
	.stopping = on_stopping,
	.hung = on_hung,
	.unheard = on_unheard,
	.heard = on_heard,
	.unlistened = on_unlistened,
	.exited = on_exited,
};

int backend_process_new(struct backend *backend, unsigned index, struct error *error)
{
	int err = worker_new(backend->model->host, backend->pool->conf->worker, backend->pool->name,
			     ntohs(backend->endpoint.port), index, &ops, backend, &backend->worker,
			     error);

	/* Later than at the start of lbd there is none, but with one that leaves. */
	if (!err && !backend->model->conf && !leaving_holder(backend))
		err = worker_take_back(backend->worker, error);
	if (err)
		return err;
	/* READY=1 may have been said while no lbd was there to hear it: the listener has to do. */
	if (worker_pid(backend->worker)) {
		backend->notified = true;
		backend_begin(backend, STATE_DOWN);
		backend->ready_us = worker_started_us(backend->worker);
		err = apply_worker(backend);
		log_info("%s: taken back, pid %d", backend->name, worker_pid(backend->worker));
	}
	backend_restore(backend);
	return err ? error_set(error, err, "%s: cannot write it to the kernel side: %s",
			       backend->name, strerror(-err))
		   : 0;
}

static void use_inherited(struct backend *backend)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		int fd = worker_listener(backend->worker, is_v6);

		if (fd >= 0 && !backend->deaf.out[is_v6] &&
		    !datapath_set_listener(backend->model->dp, backend->id, backend->generation,
					   is_v6, fd))
			backend_set_listener(backend, is_v6, true);
	}
}

void backend_process_start(struct backend *backend, enum state_event event)
{
	struct error error = {0};
	int err;

	if (backend->model->stopping || backend_await(backend))
		return;
	if (!worker_has_listener(backend->worker) &&
	    port_user_find(backend, PORT_USER_LISTENS, &backend->stranger)) {
		backend_wait_for_port(backend);
		return;
	}
	backend->stranger.inode = 0;
	backend->ready_us = 0; /* of the process before */
	err = worker_spawn(backend->worker, &error);
	if (err) {
		apply_worker_ended(backend);
		if (err == -EADDRINUSE &&
		    port_user_find(backend, PORT_USER_BOUND, &backend->stranger)) {
			backend_wait_for_port(backend);
			return;
		}
		backend_note(backend, "%s", error.text);
		backend->failures++;
		backend_process_failed(backend, false);
		return;
	}
	if (event == EVENT_RETRY)
		backend->restarts++;
	/* Before the loop goes on: what the new process does is heard of there, and finds the state ready. */
	backend_event(backend, event);
	/* Drained by command: so is the process that follows one that ended. */
	if (backend->goal == GOAL_DRAIN)
		backend_event(backend, EVENT_DRAIN);
	use_inherited(backend);
	backend_evaluate(backend);
}

/* One that was to stop: not any more, or, where it has been told to, once it has ended. */
static int start_again(struct backend *backend)
{
	if (backend->goal != GOAL_STOP)
		return -EALREADY;
	if (backend->state == STATE_STOPPING)
		backend_set_goal(backend, GOAL_RESTART);
	else if (backend->kept_out)
		backend_set_goal(backend, GOAL_DRAIN);
	else
		backend_undrain(backend);
	return 0;
}

int backend_process_start_by_hand(struct backend *backend)
{
	if (!backend->worker)
		return -EINVAL;
	if (state_has_process(backend->state))
		return start_again(backend);
	backend->failures = 0;
	backend->port_held_us = 0;
	backend->goal = backend_goal_of_start(backend);
	backend_process_start(backend, EVENT_START);
	return 0;
}

int backend_process_stop(struct backend *backend, enum backend_goal goal)
{
	backend_set_goal(backend, goal);
	if (!state_has_process(backend->state))
		return backend_process_end_idle(backend);
	if (backend->state == STATE_STOPPING)
		return 0;
	backend_event(backend, EVENT_STOP);
	if (worker_stop(backend->worker))
		backend_event(backend, EVENT_EXIT);
	return 0;
}

void backend_process_drained(struct backend *backend)
{
	if (!backend->worker)
		return;
	if (backend->goal >= GOAL_STOP)
		backend_process_stop(backend, backend->goal);
	else if (backend->goal == GOAL_RUN)
		backend_arm(backend, backend_worker_conf(backend)->stop_timeout_ms * 1000ULL);
}

void backend_process_lingers(struct backend *backend)
{
	char why[BACKEND_NOTE_BYTES];

	if (!backend->worker || backend->goal != GOAL_RUN)
		return;
	snprintf(why, sizeof(why), "said STOPPING=1, and has not ended %u ms after its drain",
		 backend_worker_conf(backend)->stop_timeout_ms);
	backend_process_wrong(backend, why);
}

void backend_process_stopped(struct backend *backend)
{
	if (backend->goal == GOAL_RESTART && !backend->model->stopping) {
		backend->goal = backend_goal_of_start(backend);
		backend->failures = 0;
		backend_process_start(backend, EVENT_START);
	} else if (backend->goal != GOAL_RESTART) {
		worker_expire_listeners(backend->worker);
	}
}

int backend_process_end_idle(struct backend *backend)
{
	if (!backend->worker)
		return -EALREADY;
	if (backend->state == STATE_STOPPED)
		backend_process_stopped(backend);
	else
		backend_event(backend, EVENT_STOP);
	return 0;
}

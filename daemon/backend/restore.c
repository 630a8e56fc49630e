/* SPDX-License-Identifier: Apache-2.0 */
/* What an lbd before this one has remembered of a backend, and what that means for it now. */

#include "backend/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "remember/remember.h"

/* Of the time that it had, what it has left now. */
static uint64_t drain_left_us(const struct remembered *known)
{
	uint64_t passed = known->since_us ? clock_us() - known->since_us : 0;

	if (known->state != STATE_DRAINING || known->drain_us == UINT64_MAX)
		return known->drain_us;
	return passed < known->drain_us ? known->drain_us - passed : 0;
}

/* It was found to be down meanwhile, as anyone that is taken back. */
static void restore_note_of_end(struct backend *backend, const struct remembered *known)
{
	if (known->goal != GOAL_DRAIN &&
	    (known->state == STATE_DRAINING || known->state == STATE_DRAINED ||
	     known->state == STATE_STOPPING))
		backend_note(backend, "%s", known->note);
}

static void restore_running(struct backend *backend, const struct remembered *known)
{
	/* From now on: nothing may be chosen between its being known and its draining. */
	if (known->goal > GOAL_RUN && known->goal <= GOAL_RESTART)
		backend->goal = (enum backend_goal)known->goal;
	if (known->state == STATE_STARTING)
		backend_begin(backend, STATE_STARTING);
	if (known->state == STATE_STARTING || known->unready)
		backend->ready_us = 0;
	/* By its own word: nobody asks for it anew. */
	if (known->goal == GOAL_RUN &&
	    (known->state == STATE_DRAINING || known->state == STATE_DRAINED)) {
		backend_begin(backend, STATE_DRAINING);
		backend->drain.timeout_us = drain_left_us(known);
	}
}

/* That how it ended is not known mostly is no reason to start what is never to be started again. */
static bool is_left_by_policy(const struct backend *backend)
{
	enum conf_restart restart = backend->pool->conf->worker->restart;
	struct worker_exit exit;

	return restart == RESTART_NEVER ||
	       (restart == RESTART_ON_FAILURE && worker_lost(backend->worker, &exit) &&
		exit.known && exit.expected);
}

static bool is_left_ended(const struct backend *backend, const struct remembered *known)
{
	return is_left_by_policy(backend) && datapath_adopted(backend->model->dp) &&
	       state_has_process(known->state) &&
	       (known->goal == GOAL_RUN || known->goal == GOAL_DRAIN);
}

static void restore_ended(struct backend *backend, const struct remembered *known)
{
	if (is_left_ended(backend, known)) {
		backend_begin(backend, STATE_EXITED);
		backend_note(backend,
			     "ended while no lbd was there; left so by its restart policy");
		log_info("%s: %s", backend->name, backend->note);
	}
	if (known->state == STATE_EXITED || known->state == STATE_FATAL ||
	    known->state == STATE_BACKOFF) {
		backend_begin(backend, known->state);
		backend->retry_us = known->retry_us;
		backend_note(backend, "%s before this lbd was started", state_name(known->state));
	}
	if (known->state == STATE_FATAL)
		backend_note(backend,
			     "given up before this lbd was started (start it by `lbctl worker "
			     "start %s`)",
			     backend->name);
	if (*known->note && backend->state == known->state)
		backend_note(backend, "%s", known->note);
	/* By command: out of service is also the process that follows the one that has ended. */
	if (known->goal == GOAL_STOP || known->goal == GOAL_DRAIN)
		backend->goal = (enum backend_goal)known->goal;
	if (known->goal == GOAL_STOP)
		backend->fresh = false;
}

void backend_restore_tally(struct backend *backend)
{
	const struct remembered *known = remember_find(backend);

	if (known && (!backend->worker || worker_pid(backend->worker)))
		backend->check.tally = known->tally;
}

/*
 * Of one without a worker, drained by command: its open connections have what is left of their time; all of it
 * where that command may be the last.
 */
static void restore_drain(struct backend *backend, const struct remembered *known)
{
	bool goes_on = known && known->state == STATE_DRAINING;

	if (backend->state != STATE_DRAINED || (!goes_on && !backend->model->is_ahead))
		return;
	backend_begin(backend, STATE_DRAINING);
	backend->drain.timeout_us =
		goes_on ? drain_left_us(known) : backend->pool->conf->drain_timeout_ms * 1000ULL;
}

/* By itself, and not by a command; where `states` is lost nothing says that it was one. */
static bool has_crashed(const struct backend *backend, const struct remembered *known)
{
	struct worker_exit exit;

	if (!worker_lost(backend->worker, &exit) || backend->state != STATE_STOPPED ||
	    backend->goal == GOAL_LEAVE)
		return false;
	return !known || (state_has_process(known->state) && known->state != STATE_STOPPING &&
			  (known->goal == GOAL_RUN || known->goal == GOAL_DRAIN));
}

static void tell_crash(struct backend *backend)
{
	bool is_started = backend->pool->conf->worker->autostart;
	struct worker_exit exit;
	pid_t pid = worker_lost(backend->worker, &exit);

	backend_note_status(backend, &exit);
	log_warning("%s: its process (pid %d) has ended while no lbd was there%s%s%s; %s",
		    backend->name, pid, exit.known ? " (" : "", exit.known ? backend->note : "",
		    exit.known ? ")" : "",
		    is_started ? "started again" : "not started, with `autostart off`");
	backend->restarts += is_started;
}

static void restore_known(struct backend *backend, const struct remembered *known)
{
	backend->failures = known->failures;
	backend->restarts = known->restarts;
	backend->turn = known->turn;
	worker_set_past(backend->worker, known->past);
	backend->kept_out = known->kept_out || known->goal == GOAL_DRAIN;
	backend_set_weight(backend, backend->weight, known->weight);
	if (worker_pid(backend->worker))
		restore_running(backend, known);
	else
		restore_ended(backend, known);
	if (backend->goal == GOAL_RUN)
		backend->goal = backend_goal_of_start(backend);
}

void backend_restore(struct backend *backend)
{
	const struct remembered *known = remember_find(backend);

	if (!backend->worker) {
		restore_drain(backend, known);
		return;
	}
	if (known)
		restore_known(backend, known);
	if (has_crashed(backend, known))
		tell_crash(backend);
}

void backend_go_on(struct backend *backend)
{
	const struct remembered *known = remember_find(backend);

	if (!known || !backend->worker)
		return;
	if (state_has_process(backend->state))
		restore_note_of_end(backend, known);
	if (backend->goal != GOAL_RUN && state_has_process(backend->state))
		backend_drain(backend, drain_left_us(known), backend->goal);
	else if (known->goal == GOAL_RESTART && backend->state == STATE_STOPPED)
		backend_process_start(backend, EVENT_START); /* its process has ended meanwhile */
}

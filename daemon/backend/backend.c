/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"
#include "backend/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "looks/accepts.h"
#include "looks/deaf.h"
#include "looks/stuck.h"
#include "model/choice.h"
#include "model/readiness.h"

static int on_timer(sd_event_source *source, uint64_t now, void *arg);

void backend_arm(struct backend *backend, uint64_t delay_us)
{
	clock_arm(backend->model->event, &backend->timer, delay_us, on_timer, backend);
}

static void arm_retry(struct backend *backend)
{
	backend_arm(backend, backend->retry_us > clock_us() ? backend->retry_us - clock_us() : 0);
}

/* How long it has to stay up yet for its failures to be forgotten: by the process's age since it got up. */
static uint64_t stable_left_us(const struct backend *backend)
{
	uint64_t stable_us = backend_worker_conf(backend)->stable_ms * 1000ULL;
	uint64_t passed_us = clock_us() - backend->ready_us;

	return passed_us < stable_us ? stable_us - passed_us : 0;
}

static bool on_probation(const struct backend *backend)
{
	return backend->failures && backend_worker_conf(backend);
}

/* While up: the next step of the ramp, or the end of the probation after failures. */
static void arm_up(struct backend *backend)
{
	uint64_t step_us = choice_step_us(backend), left_us = UINT64_MAX;

	if (on_probation(backend))
		left_us = stable_left_us(backend);
	if (step_us != UINT64_MAX || left_us != UINT64_MAX)
		backend_arm(backend, step_us < left_us ? step_us : left_us);
}

static bool is_restarted(const struct backend *backend)
{
	return backend_worker_conf(backend)->restart != RESTART_NEVER;
}

static uint64_t silence_limit_us(const struct backend *backend)
{
	return backend_worker_conf(backend)->start_timeout_ms * 1000ULL;
}

/* A worker that runs and listens no more does not come back by itself: it has as long as for a start. */
static void arm_silence(struct backend *backend)
{
	uint64_t limit_us;

	if (!readiness_is_silent(backend))
		return;
	limit_us = silence_limit_us(backend);
	backend_arm(backend,
		    limit_us < READINESS_JUST_CLOSED_US ? limit_us : READINESS_JUST_CLOSED_US);
}

static void tell_closed(struct backend *backend)
{
	pid_t pid = worker_pid(backend->worker);

	if (backend->is_closed_told || !backend->ready_us || !pid)
		return;
	backend->is_closed_told = true;
	log_warning("%s: nothing listens on it any more, and its process runs on (pid %d)",
		    backend->name, pid);
}

static void tell_back(struct backend *backend)
{
	if (backend->is_closed_told)
		log_info("%s: listens again", backend->name);
	backend->is_closed_told = false;
}

static void look_at_silence(struct backend *backend)
{
	uint64_t passed_us = readiness_silent_for_us(backend), limit_us = silence_limit_us(backend);

	if (passed_us >= limit_us && is_restarted(backend)) {
		backend_process_silent(backend);
		return;
	}
	tell_closed(backend);
	apply_pool_coming(backend->pool);
	if (is_restarted(backend))
		backend_arm(backend, limit_us - passed_us);
}

static void enter_starting(struct backend *backend)
{
	backend->note[0] = backend->ends_for[0] = 0;
	backend->is_put_off = false;
	backend->is_closed_told = false;
	backend->silence = SILENCE_NONE;
	backend->ready_us = 0;
	backend_arm(backend, backend_worker_conf(backend)->start_timeout_ms * 1000ULL);
}

static void enter_up(struct backend *backend)
{
	backend->note[0] = 0;
	backend->is_put_off = false;
	backend->port_held_us = 0;
	tell_back(backend);
	if (!backend->ready_us)
		backend->ready_us = clock_us();
	arm_up(backend);
	deaf_watch(backend);
}

/* What each state means; the timer is whatever the state waits for. */
static void enter_state(struct backend *backend)
{
	clock_disarm(backend->timer);
	backend->since_us = clock_us();
	backend->up_since_us = backend->state == STATE_UP ? clock_us() : 0;
	backend_hold_check(backend);
	switch (backend->state) {
	case STATE_STARTING:
		enter_starting(backend);
		break;
	case STATE_UP:
		enter_up(backend);
		break;
	case STATE_DOWN:
		backend_explain_down(backend);
		backend_await_check(backend);
		arm_silence(backend);
		break;
	case STATE_DRAINING:
		backend_explain(backend);
		backend_arm(backend, BACKEND_DRAIN_LEAST_US);
		break;
	case STATE_DRAINED:
		backend_process_drained(backend);
		break;
	case STATE_BACKOFF:
		arm_retry(backend);
		break;
	case STATE_STOPPED:
		backend_process_stopped(backend);
		break;
	case STATE_EXITED:
	case STATE_FATAL:
		worker_expire_listeners(backend->worker);
		break;
	default:
		break;
	}
}

void backend_begin(struct backend *backend, enum state state)
{
	backend->state = state;
}

bool backend_event(struct backend *backend, enum state_event event)
{
	enum state from = backend->state, to = state_next(from, event);
	struct changes *changes = &backend->model->changes;

	if (to == STATE_NONE)
		return false;
	backend->state = to;
	log_debug("%s: %s -> %s", backend->name, state_name(from), state_name(to));
	if (to == STATE_STOPPED || to == STATE_BACKOFF || to == STATE_STARTING)
		backend->notified = false;
	if (!state_has_process(to) || to == STATE_STARTING) {
		stuck_forget(backend);
		accepts_forget(backend);
		backend_forget_check(backend);
	}
	deaf_end(backend);
	apply_backend(backend);
	deaf_look_at_others(backend);
	changes_hold(changes);
	changes_add(changes, backend, from, to);
	enter_state(backend);
	changes_release(changes);
	return true;
}

void backend_evaluate(struct backend *backend)
{
	if (readiness_met(backend))
		backend_event(backend, EVENT_READY);
	else if (backend->state == STATE_UP)
		backend_event(backend, EVENT_LOST);
	backend_explain(backend);
}

void backend_set_listener(struct backend *backend, bool is_v6, bool present)
{
	if (backend->listens[is_v6] == present)
		return;
	backend->listens[is_v6] = present;
	backend->is_mptcp_told &= !present;
	if (!present && !backend->listens[!is_v6])
		backend->closed_us = clock_us();
	if (!backend->pool)
		return;
	backend_set_health(backend, &backend->pool->conf->health);
	backend_evaluate(backend);
	if (backend_has_check(backend))
		apply_pool_coming(backend->pool);
	if (!present)
		arm_silence(backend);
}

static int on_timer(sd_event_source *source, uint64_t now, void *arg)
{
	struct backend *backend = arg;

	(void)source, (void)now;
	switch (backend->state) {
	case STATE_STARTING:
		backend_process_late(backend);
		break;
	case STATE_UP:
		if (on_probation(backend) && !stable_left_us(backend))
			backend->failures = 0;
		apply_backend(backend);
		arm_up(backend);
		break;
	case STATE_DOWN:
		backend_set_health(backend, &backend->pool->conf->health);
		backend_evaluate(backend);
		if (readiness_is_silent(backend))
			look_at_silence(backend);
		else
			backend_process_check_failed(backend);
		break;
	case STATE_DRAINING:
		backend_look_at_drain(backend);
		break;
	case STATE_DRAINED:
		backend_process_lingers(backend);
		break;
	case STATE_BACKOFF:
		backend_process_start(backend, EVENT_RETRY);
		break;
	default:
		break;
	}
	return 0;
}

static uint64_t age_us(const struct backend *backend)
{
	uint64_t started_us = worker_started_us(backend->worker), now_us = clock_us();

	return now_us > started_us ? now_us - started_us : 0;
}

/* Its time began when it was started, not with this lbd. */
static void resume_starting(struct backend *backend)
{
	uint64_t limit_us = backend_worker_conf(backend)->start_timeout_ms * 1000ULL;
	uint64_t passed_us = age_us(backend);

	backend_arm(backend, passed_us < limit_us ? limit_us - passed_us : 0);
}

static bool is_unready(const struct backend *backend)
{
	return backend->worker && worker_pid(backend->worker) && !backend->ready_us;
}

/*
 * What the lbd before had found out counts until something else is found: a check has to fail before
 * its backend is left out, or traffic would stop at each start of lbd.
 */
void backend_resume(struct backend *backend)
{
	struct datapath *dp = backend->model->dp;
	struct lb_backend known = {0};

	if (backend->state == STATE_STARTING)
		resume_starting(backend);
	else if (backend->state == STATE_BACKOFF)
		arm_retry(backend);
	else if (backend->state == STATE_DRAINING)
		backend_arm(backend, BACKEND_DRAIN_LEAST_US);
	backend->closed_us = clock_us(); /* its time begins with this lbd */
	arm_silence(backend);
	if (is_unready(backend))
		accepts_watch(backend, worker_started_us(backend->worker));
	if (!datapath_adopted(dp) || backend->goal != GOAL_RUN || backend->state != STATE_DOWN ||
	    datapath_get_backend(dp, backend->id, &known) ||
	    known.generation != backend->generation || !(known.flags & LB_BACKEND_ENABLED))
		return;
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;

		backend->listens[is_v6] = !datapath_get_listener(dp, backend->id, is_v6, &cookie);
	}
	if (!backend_listens(backend))
		return;
	backend->notified = backend->check.passes = true;
	backend_set_health(backend, &backend->pool->conf->health);
	backend_begin(backend, STATE_UP);
	backend->up_since_us = 1; /* long ago: no slow start */
	if (backend->worker && age_us(backend) >= backend_worker_conf(backend)->stable_ms * 1000ULL)
		backend->failures = 0;
	arm_up(backend);
}

int backend_make_timer(struct backend *backend)
{
	int err = clock_arm(backend->model->event, &backend->timer, 0, on_timer, backend);

	if (err < 0)
		return err;
	clock_disarm(backend->timer);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that lbd itself ends because something is wrong with them.  Such an end counts as a failure,
 * like an exit, and its reason is kept until the process is gone: how it ended says nothing.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "apply/apply.h"
#include "backend/private.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "looks/elsewhere.h"
#include "model/readiness.h"
#include "model/turn.h"

enum { LOOK_AGAIN_US = 1000 * 1000 };

/* The state stays, out of service, until the exit, which is then taken as one by itself. */
static void end_process(struct backend *backend)
{
	snprintf(backend->ends_for, sizeof(backend->ends_for), "%s", backend->note);
	if (backend->state == STATE_UP)
		backend_event(backend, EVENT_LOST);
	clock_disarm(backend->timer);
	apply_backend(backend);
	if (worker_stop(backend->worker))
		backend_event(backend, EVENT_EXIT);
}

static void note_not_listening(struct backend *backend, unsigned ms)
{
	char elsewhere[ELSEWHERE_TEXT_BYTES], expected[ADDR_TEXT_BYTES];
	uint16_t port = ntohs(backend->endpoint.port);

	if (backend->is_mptcp)
		backend_note(backend, "not ready within %u ms: %s", ms, backend_mptcp);
	else if (elsewhere_find(backend, elsewhere))
		backend_note(backend,
			     "not ready within %u ms: does not listen on port %u: it listens on "
			     "%s; the pool expects %s",
			     ms, port, elsewhere,
			     addr_format_endpoint(&backend->endpoint, expected));
	else
		backend_note(backend, "not ready within %u ms: does not listen on port %u", ms,
			     port);
}

/* What of readiness is missing; only the first is of interest. */
static void note_late(struct backend *backend)
{
	unsigned ms = backend_worker_conf(backend)->start_timeout_ms;

	if (!backend_listens(backend))
		note_not_listening(backend, ms);
	else if (!worker_runs(backend->worker))
		backend_note(backend, "not ready within %u ms: its program has not begun to run",
			     ms);
	else if (!readiness_is_told(backend))
		backend_note(backend, "not ready within %u ms: has not said READY=1", ms);
	else if (readiness_by_accepts(backend))
		backend_note(
			backend,
			"not ready within %u ms: accepts nothing: all who came to it wait in its "
			"accept queue",
			ms);
	else if (backend->check.health)
		backend_note(backend, "not ready within %u ms: check: %s", ms,
			     health_last(backend->check.health));
	else
		backend_note(backend, "not ready within %u ms", ms);
	backend_note_details(backend);
}

/* Where a failing check takes a worker out of service only, it does so from the beginning. */
static bool is_kept(const struct backend *backend)
{
	return backend->check.health && !backend->pool->conf->health.restart &&
	       backend_listens(backend) && !backend->stuck.out && readiness_is_told(backend);
}

void backend_process_late(struct backend *backend)
{
	/* Its time passed while there was no lbd: a look first. */
	if (backend->check.health && !health_has_looked(backend->check.health)) {
		backend_arm(backend, backend->pool->conf->health.timeout_ms * 1000ULL);
		return;
	}
	/* It may have been told of nothing: the kernel side does not see MPTCP. */
	if (!backend_listens(backend) && !backend->model->hooks.scan(backend->model) &&
	    backend->state != STATE_STARTING)
		return;
	if (is_kept(backend)) {
		log_warning("%s: not ready within %u ms: check: %s; out of service until it passes",
			    backend->name, backend_worker_conf(backend)->start_timeout_ms,
			    health_last(backend->check.health));
		backend->check.fails = true;
		backend_event(backend, EVENT_LOST);
		return;
	}
	note_late(backend);
	log_warning("%s: %s; stopped", backend->name, backend->note);
	end_process(backend);
}

void backend_process_silent(struct backend *backend)
{
	const struct conf_pool *conf = backend->pool->conf;

	log_warning("%s: runs, but has not listened for %u ms: drained and restarted",
		    backend->name, conf->worker->start_timeout_ms);
	backend_drain(backend, conf->drain_timeout_ms * 1000ULL, GOAL_RESTART);
}

void backend_process_wrong(struct backend *backend, const char *why)
{
	if (*backend->ends_for)
		return;
	backend_note(backend, "%s", why);
	log_warning("%s: %s: restarted", backend->name, why);
	end_process(backend);
}

/* It comes back by itself, and is up soon, if it can be. */
static bool another_is_to_come(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i]->state == STATE_BACKOFF)
			return true;
	return false;
}

/* Where none of the others is to come, a restart is its pool's only chance. */
static const char *why_still_hung(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	if (backend->state != STATE_UP || backend->goal != GOAL_RUN || !pool)
		return NULL;
	if (turn_is_rolling(pool) || turn_on_its_way(pool))
		return "another of its pool is being restarted";
	return !turn_spares(backend) && another_is_to_come(pool)
		       ? "no other of its pool is up, and one is about to be started again"
		       : NULL;
}

#define HANGS "hangs: no WATCHDOG=1 within its time"

bool backend_process_hung(struct backend *backend)
{
	const char *obstacle = why_still_hung(backend);

	if (!obstacle) {
		backend_process_wrong(backend, HANGS);
		return true;
	}
	backend->silence = SILENCE_HANGS;
	backend_explain(backend);
	if (!backend->is_put_off)
		log_warning("%s: " HANGS "; not restarted yet, since %s", backend->name, obstacle);
	backend->is_put_off = true;
	return false;
}

#define UNHEARD                                                                                    \
	"its watchdog does not count: nothing is heard of it since its notify socket was made "    \
	"anew (perhaps it connected once, to the one before); `lbctl worker restart %s` mends "    \
	"that"

void backend_process_unheard(struct backend *backend)
{
	backend->silence = SILENCE_UNHEARD;
	backend_explain(backend);
	log_warning("%s: " UNHEARD, backend->name, backend->name);
}

void backend_process_explain_silence(struct backend *backend)
{
	const char *obstacle;

	if (backend->silence == SILENCE_UNHEARD) {
		backend_note(backend, UNHEARD, backend->name);
		return;
	}
	obstacle = why_still_hung(backend);
	if (obstacle)
		backend_note(backend, HANGS "; not restarted yet, since %s", obstacle);
}

void backend_process_heard(struct backend *backend)
{
	log_info("%s: is heard again", backend->name);
	backend->is_put_off = false;
	backend->silence = SILENCE_NONE;
	if (backend->state == STATE_UP)
		backend_explain_anew(backend);
}

bool backend_process_check_restarts(const struct backend *backend)
{
	return backend->state == STATE_DOWN && backend->goal == GOAL_RUN && backend->worker &&
	       backend->pool && backend->pool->conf->health.restart && backend->check.fails &&
	       backend->check.health && backend->ready_us && !*backend->ends_for;
}

static const char *why_not_now(const struct backend *backend)
{
	if (!turn_spares(backend))
		return "no other of its pool is up";
	if (turn_is_rolling(backend->pool) || turn_on_its_way(backend->pool))
		return "another of its pool is being restarted";
	return NULL;
}

/* A check that fails for all, as when a database is away, is to leave the pool what it has. */
void backend_process_check_failed(struct backend *backend)
{
	char why[BACKEND_NOTE_BYTES];
	const char *obstacle;

	if (!backend_process_check_restarts(backend))
		return;
	/* It was put off, and has passed since: either `rise` of those follow, or it fails anew. */
	if (!health_fails(backend->check.health)) {
		backend_arm(backend, LOOK_AGAIN_US);
		return;
	}
	obstacle = why_not_now(backend);
	snprintf(why, sizeof(why), "check: %s", health_last(backend->check.health));
	if (!obstacle) {
		backend_process_wrong(backend, why);
		return;
	}
	if (!backend->is_put_off)
		log_warning("%s: %s: not restarted yet, since %s", backend->name, why, obstacle);
	backend->is_put_off = true;
	backend_arm(backend, LOOK_AGAIN_US);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/step.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/backend.h"
#include "backend/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/readiness.h"
#include "model/turn.h"
#include "remember/remember.h"
#include "roll/check.h"
#include "worker/worker.h"

static size_t count_all(const struct pool *pool)
{
	return pool->roll->done + turn_count(pool, TURN_NOW) + turn_count_due(pool);
}

static void __attribute__((format(printf, 2, 3)))
progress(struct pool *pool, const char *format, ...)
{
	struct roll *roll = pool->roll;
	char text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_info("pool %s: %s", pool->name, text);
	roll_watch_progress(roll->watches, text);
}

void roll_end(struct pool *pool, const char *error)
{
	struct roll *roll = pool->roll;

	pool->roll = NULL;
	snprintf(pool->roll_error, sizeof(pool->roll_error), "%s", error ? error : "");
	if (error)
		log_error("pool %s: roll ended: %s", pool->name, error);
	else
		log_info("pool %s: rolled %zu workers", pool->name, roll->done);
	turn_clear(pool);
	roll_watch_done(roll->watches, error);
	free(roll);
}

static void __attribute__((format(printf, 2, 3)))
end_early(struct pool *pool, const char *format, ...)
{
	char why[ERROR_TEXT_BYTES - 64], text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s; %zu of %zu workers not touched", why,
		 turn_count_due(pool), count_all(pool));
	roll_end(pool, text);
}

static void begin_one(struct backend *backend)
{
	struct pool *pool = backend->pool;
	bool running = state_has_process(backend->state);
	struct error error;

	if (running && roll_check(backend, &error)) {
		end_early(pool, "%s was not stopped, since its next start would fail: %.600s",
			  backend->name, error.text);
		return;
	}
	backend->turn = TURN_NOW;
	backend->turn_pid = worker_pid(backend->worker);
	remember_later(pool->model);
	progress(pool, "%s: %s (%zu of %zu)", backend->name, running ? "draining" : "starting",
		 pool->roll->done + turn_count(pool, TURN_NOW), count_all(pool));
	if (running)
		backend_drain(backend, pool->conf->drain_timeout_ms * 1000ULL, GOAL_RESTART);
	else
		backend_process_start_by_hand(backend);
}

static void end_for_the_last(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (turn_is_due(pool->backends[i])) {
			end_early(pool,
				  "%s is the last one of pool %s that is up: during its restart "
				  "clients would wait; see why the others are not (`lbctl worker "
				  "%s:*`),"
				  " or add `force`",
				  pool->backends[i]->name, pool->name, pool->name);
			return;
		}
}

/* One that has no process takes nobody's place by its start: all of those begin at once. */
static bool is_turn_free(const struct pool *pool, const struct backend *next)
{
	return turn_count(pool, TURN_NOW) < pool->conf->roll_parallel ||
	       !state_has_process(next->state);
}

/* DANGER: beginning one may end the roll (it could not be spawned), so look it up anew each time. */
void roll_advance(struct pool *pool)
{
	struct backend *next;

	while (pool->roll && (next = turn_next(pool)) && is_turn_free(pool, next))
		begin_one(next);
	if (!pool->roll || turn_count(pool, TURN_NOW))
		return;
	if (!turn_count_due(pool))
		roll_end(pool, NULL);
	else if (!turn_on_its_way(pool))
		end_for_the_last(pool);
}

/* Somebody has taken the port meanwhile: it may let go, but not for longer than a start may take. */
static bool waits_for_port(struct backend *backend, enum state to)
{
	struct pool *pool = backend->pool;
	uint64_t patience_us = pool->conf->worker->start_timeout_ms * 1000ULL;

	if (to != STATE_BACKOFF || !backend->port_held_us ||
	    clock_us() - backend->port_held_us >= patience_us)
		return false;
	if (pool->roll->waits != backend)
		progress(pool, "%s: waits: %s", backend->name, backend->note);
	pool->roll->waits = backend;
	return true;
}

bool roll_is_drained_anew(const struct backend *backend)
{
	return backend->kept_out && backend->goal == GOAL_DRAIN &&
	       backend->state == STATE_DRAINED && worker_pid(backend->worker) != backend->turn_pid;
}

static void end_turn(struct backend *backend, const char *how)
{
	struct pool *pool = backend->pool;

	backend->turn = TURN_NONE;
	pool->roll->done++;
	remember_later(pool->model);
	progress(pool, "%s: %s (%zu of %zu)", backend->name, how, pool->roll->done,
		 count_all(pool));
}

/*
 * By somebody else's command, who does not expect it to be started again.  One that was told to end before
 * it was drained ends all the same; one that was drained before its turn is past that state already.
 */
static bool is_taken_away(const struct backend *backend, enum state to)
{
	if (backend->goal == GOAL_STOP)
		return to == STATE_STOPPED;
	return backend->goal == GOAL_DRAIN && backend->state == to && !backend->awaits;
}

static void look_at_turn(struct backend *backend, enum state to)
{
	struct pool *pool = backend->pool;

	/* A goal to run, and the process that was to go: by somebody else's command. */
	if (backend->turn_pid && backend->goal == GOAL_RUN &&
	    worker_pid(backend->worker) == backend->turn_pid) {
		end_early(pool, "%s was put back into service by another command, as it was",
			  backend->name);
		return;
	}
	switch (to) {
	case STATE_UP:
		end_turn(backend, "up");
		break;
	case STATE_DOWN:
		if (!readiness_failed_start(backend))
			break;
		/* fall through */
	case STATE_BACKOFF:
	case STATE_FATAL:
	case STATE_EXITED:
		/* While it is still on its way down an exit is what was asked for. */
		if ((backend->goal == GOAL_RUN || backend->goal == GOAL_DRAIN) &&
		    !waits_for_port(backend, to))
			end_early(pool, "%s did not get ready: %s", backend->name,
				  backend->note[0] ? backend->note : state_name(to));
		break;
	case STATE_STOPPED:
	case STATE_DRAINED:
		if (roll_is_drained_anew(backend))
			end_turn(backend, "started, and drained as before");
		else if (is_taken_away(backend, to))
			end_early(pool, "%s was %s by another command", backend->name,
				  state_name(to));
		break;
	default:
		break;
	}
}

void roll_changed(struct backend *backend, enum state to)
{
	struct pool *pool = backend->pool;

	if (!pool->roll || backend->goal == GOAL_LEAVE)
		return;
	if (backend->turn == TURN_NOW)
		look_at_turn(backend, to);
	roll_advance(pool);
}

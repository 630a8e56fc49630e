/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/roll.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/readiness.h"
#include "model/turn.h"
#include "remember/remember.h"
#include "roll/check.h"
#include "roll/watch.h"

struct roll {
	struct roll_watch *watches;
	size_t done;
	const struct backend *waits; /* the last of which was said that its port is taken */
};

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

static void end(struct pool *pool, const char *error)
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
	end(pool, text);
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

/* Beginning one may end the roll (it could not be spawned), so look it up anew each time. */
static void advance(struct pool *pool)
{
	struct backend *next;

	while (pool->roll && turn_count(pool, TURN_NOW) < pool->conf->roll_parallel &&
	       (next = turn_next(pool)))
		begin_one(next);
	if (!pool->roll || turn_count(pool, TURN_NOW))
		return;
	if (!turn_count_due(pool))
		end(pool, NULL);
	else if (!turn_on_its_way(pool))
		end_for_the_last(pool);
}

/* One that was stopped or drained by command is left so. */
static bool is_wanted(const struct backend *backend)
{
	return backend->worker && backend->goal == GOAL_RUN && backend->state != STATE_STOPPED;
}

static bool has_wanted(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (is_wanted(pool->backends[i]))
			return true;
	return false;
}

void roll_mark(struct backend *backend, bool force)
{
	turn_give(backend, force ? TURN_FORCED : TURN_DUE);
}

int roll_go(struct pool *pool)
{
	if (turn_count(pool, TURN_NONE) == pool->count)
		return 0;
	if (!pool->roll) {
		pool->roll = calloc(1, sizeof(*pool->roll));
		if (!pool->roll) {
			turn_clear(pool);
			return -ENOMEM;
		}
		pool->roll_error[0] = 0;
	}
	remember_later(pool->model);
	advance(pool);
	return 0;
}

int roll_join(struct pool *pool, const struct roll_watcher *watcher)
{
	return pool->roll ? roll_watch_add(&pool->roll->watches, watcher) : -ESRCH;
}

int roll_start(struct pool *pool, bool force, const struct roll_watcher *watcher)
{
	if (pool->roll)
		return -EALREADY;
	if (!pool->conf->worker)
		return -ENOENT;
	if (!has_wanted(pool))
		return -ENODATA;
	pool->roll = calloc(1, sizeof(*pool->roll));
	if (!pool->roll)
		return -ENOMEM;
	pool->roll_error[0] = 0;
	if (watcher && roll_join(pool, watcher)) {
		roll_free(pool);
		return -ENOMEM;
	}
	for (size_t i = 0; i < pool->count; i++)
		if (is_wanted(pool->backends[i]))
			roll_mark(pool->backends[i], force);
	advance(pool);
	return 0;
}

static bool has_failed(const struct backend *backend)
{
	return is_wanted(backend) &&
	       (backend->state == STATE_BACKOFF || backend->state == STATE_FATAL);
}

bool roll_is_mended(const struct backend *backend)
{
	return has_failed(backend) && worker_is_mended(backend->worker);
}

/* In its turn it got settings that are not in force any more, by a change after that: it has another. */
static bool is_overtaken(const struct backend *backend)
{
	return backend->turn == TURN_NOW && backend->goal != GOAL_RESTART &&
	       worker_is_outdated(backend->worker) &&
	       worker_pid(backend->worker) != backend->turn_pid;
}

static void give_outdated(struct backend *backend)
{
	if (is_overtaken(backend))
		backend->turn = TURN_NONE;
	else if (!has_failed(backend) &&
		 !(is_wanted(backend) && worker_is_outdated(backend->worker)))
		return;
	turn_give(backend, TURN_DUE);
}

/*
 * With them those that have failed, which come first: settings that do not work are found out before
 * one is touched that does.
 */
int roll_outdated(struct pool *pool)
{
	bool is_outdated = false, is_mended = false;

	for (size_t i = 0; i < pool->count; i++) {
		is_outdated |= worker_is_outdated(pool->backends[i]->worker);
		is_mended |= roll_is_mended(pool->backends[i]);
	}
	if (!is_outdated && !is_mended)
		return 0;
	log_info("pool %s: workers %s: rolling", pool->name,
		 is_outdated ? "run with old settings" : "have failed with old settings");
	for (size_t i = 0; i < pool->count; i++)
		give_outdated(pool->backends[i]);
	return roll_go(pool);
}

/*
 * What was on its way goes on by its goal; what got there while no lbd was is done.  Of one that has
 * ended meanwhile nothing would be heard any more: it is due again, or was stopped by command.
 */
static void resume_turn(struct backend *backend)
{
	bool runs = state_has_process(backend->state);

	if (backend->turn != TURN_NOW)
		return;
	backend->turn_pid = backend->goal == GOAL_RESTART ? worker_pid(backend->worker) : 0;
	if (backend->goal == GOAL_RUN && backend->state == STATE_UP)
		backend->turn = TURN_NONE;
	else if (!runs && backend->state != STATE_BACKOFF && !backend->awaits)
		backend->turn =
			backend->goal == backend_goal_of_start(backend) ? TURN_DUE : TURN_NONE;
}

void roll_resume(struct pool *pool)
{
	bool any = false;

	for (size_t i = 0; i < pool->count; i++) {
		resume_turn(pool->backends[i]);
		any |= pool->backends[i]->turn != TURN_NONE;
	}
	if (!any)
		return;
	log_info("pool %s: goes on being rolled", pool->name);
	roll_go(pool);
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
	advance(pool);
}

void roll_unwatch(struct pool *pool, const void *arg)
{
	if (pool->roll)
		roll_watch_remove(&pool->roll->watches, arg);
}

void roll_forget(struct pool *pool, const char *why)
{
	if (pool->roll)
		end(pool, why);
}

void roll_free(struct pool *pool)
{
	if (pool->roll)
		roll_watch_free(pool->roll->watches);
	free(pool->roll);
	pool->roll = NULL;
}

void roll_move(struct pool *from, struct pool *to)
{
	to->roll = from->roll;
	from->roll = NULL;
	memcpy(to->roll_error, from->roll_error, sizeof(to->roll_error));
}

const char *roll_error(const struct pool *pool)
{
	return pool->roll_error;
}

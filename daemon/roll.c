/* SPDX-License-Identifier: Apache-2.0 */
#include "roll.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "backend_process.h"
#include "clock.h"
#include "log.h"
#include "remember.h"
#include "roll_check.h"

struct roll {
	struct roll_watcher watcher;
	size_t done;
	const struct backend *waits; /* the last of which was said that its port is taken */
};

static size_t count_turns(const struct pool *pool, enum turn turn)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->count; i++)
		count += pool->backends[i]->turn == turn;
	return count;
}

static size_t count_due(const struct pool *pool)
{
	return count_turns(pool, TURN_DUE) + count_turns(pool, TURN_FORCED);
}

static size_t count_all(const struct pool *pool)
{
	return pool->roll->done + count_turns(pool, TURN_NOW) + count_due(pool);
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
	if (roll->watcher.progress)
		roll->watcher.progress(roll->watcher.arg, text);
}

/* Who waits for a worker that has no turn any more is to look again. */
static void clear_turns(struct pool *pool)
{
	struct changes *changes = &pool->model->changes;

	changes_hold(changes);
	for (size_t i = 0; i < pool->count; i++) {
		struct backend *backend = pool->backends[i];

		if (backend->turn == TURN_NONE)
			continue;
		backend->turn = TURN_NONE;
		changes_add(changes, backend, backend->state, backend->state);
	}
	changes_release(changes);
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
	clear_turns(pool);
	if (roll->watcher.done)
		roll->watcher.done(roll->watcher.arg, error);
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
	snprintf(text, sizeof(text), "%s; %zu of %zu workers not touched", why, count_due(pool),
		 count_all(pool));
	end(pool, text);
}

bool roll_spares(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i] != backend && pool->backends[i]->state == STATE_UP)
			return true;
	return pool->count == 1;
}

static bool is_due(const struct backend *backend)
{
	return backend->turn == TURN_DUE || backend->turn == TURN_FORCED;
}

/* Those that serve nobody first. */
static struct backend *next_of(const struct pool *pool)
{
	struct backend *chosen = NULL;

	for (size_t i = 0; i < pool->count; i++) {
		struct backend *backend = pool->backends[i];

		if (!is_due(backend))
			continue;
		if (backend->state != STATE_UP)
			return backend;
		if (!chosen && (backend->turn == TURN_FORCED || roll_spares(backend)))
			chosen = backend;
	}
	return chosen;
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
		 pool->roll->done + count_turns(pool, TURN_NOW), count_all(pool));
	if (running)
		backend_drain(backend, pool->conf->drain_timeout_ms * 1000ULL, GOAL_RESTART);
	else
		backend_process_start_by_hand(backend);
}

/* Its first try after it served; who has failed since then may do so for ever. */
static bool is_tried_soon(const struct backend *backend)
{
	return backend->state == STATE_BACKOFF && backend->failures <= 1 && !backend->port_held_us;
}

bool roll_on_its_way(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		const struct backend *backend = pool->backends[i];

		if (backend->state == STATE_STARTING || backend->goal == GOAL_RESTART ||
		    *backend->ends_for || is_tried_soon(backend))
			return true;
	}
	return false;
}

static void end_for_the_last(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (is_due(pool->backends[i])) {
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

	while (pool->roll && count_turns(pool, TURN_NOW) < pool->conf->roll_parallel &&
	       (next = next_of(pool)))
		begin_one(next);
	if (!pool->roll || count_turns(pool, TURN_NOW))
		return;
	if (!count_due(pool))
		end(pool, NULL);
	else if (!roll_on_its_way(pool))
		end_for_the_last(pool);
}

/* One that was stopped or drained by command is left so. */
static bool is_wanted(const struct backend *backend)
{
	return backend->worker && backend->goal == GOAL_RUN && backend->state != STATE_STOPPED;
}

static void mark(struct backend *backend, enum turn turn)
{
	if (backend->turn == TURN_NOW)
		return;
	backend->turn = turn;
	backend->turn_pid = worker_pid(backend->worker);
}

void roll_mark(struct backend *backend, bool force)
{
	mark(backend, force ? TURN_FORCED : TURN_DUE);
}

int roll_go(struct pool *pool)
{
	if (count_turns(pool, TURN_NONE) == pool->count)
		return 0;
	if (!pool->roll) {
		pool->roll = calloc(1, sizeof(*pool->roll));
		if (!pool->roll) {
			clear_turns(pool);
			return -ENOMEM;
		}
		pool->roll_error[0] = 0;
	}
	remember_later(pool->model);
	advance(pool);
	return 0;
}

int roll_start(struct pool *pool, bool force, const struct roll_watcher *watcher)
{
	if (pool->roll)
		return -EALREADY;
	if (!pool->conf->worker)
		return -ENOENT;
	pool->roll = calloc(1, sizeof(*pool->roll));
	if (!pool->roll)
		return -ENOMEM;
	pool->roll_error[0] = 0;
	if (watcher)
		pool->roll->watcher = *watcher;
	for (size_t i = 0; i < pool->count; i++)
		if (is_wanted(pool->backends[i]))
			roll_mark(pool->backends[i], force);
	advance(pool);
	return 0;
}

/*
 * With them those that have failed, which come first: settings that do not work are found out before
 * one is touched that does.
 */
int roll_outdated(struct pool *pool)
{
	bool any = false;

	for (size_t i = 0; i < pool->count; i++)
		any |= worker_is_outdated(pool->backends[i]->worker);
	if (!any)
		return 0;
	log_info("pool %s: workers run with old settings: rolling", pool->name);
	for (size_t i = 0; i < pool->count; i++) {
		struct backend *backend = pool->backends[i];

		if (is_wanted(backend) &&
		    (worker_is_outdated(backend->worker) || backend->state == STATE_BACKOFF ||
		     backend->state == STATE_FATAL))
			mark(backend, TURN_DUE);
	}
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
		if (!backend_failed_start(backend))
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
	if (pool->roll && pool->roll->watcher.arg == arg)
		pool->roll->watcher = (struct roll_watcher){0};
}

void roll_forget(struct pool *pool, const char *why)
{
	if (pool->roll)
		end(pool, why);
}

void roll_free(struct pool *pool)
{
	free(pool->roll);
	pool->roll = NULL;
}

void roll_move(struct pool *from, struct pool *to)
{
	to->roll = from->roll;
	from->roll = NULL;
	memcpy(to->roll_error, from->roll_error, sizeof(to->roll_error));
}

bool roll_active(const struct pool *pool)
{
	return pool->roll != NULL;
}

const char *roll_error(const struct pool *pool)
{
	return pool->roll_error;
}

static const char *const turns[] = {
	[TURN_NONE] = "none",
	[TURN_DUE] = "due",
	[TURN_FORCED] = "forced",
	[TURN_NOW] = "now",
};

const char *roll_turn_name(enum turn turn)
{
	return turns[turn];
}

enum turn roll_find_turn(const char *name)
{
	for (enum turn turn = TURN_NONE; turn <= TURN_NOW; turn++)
		if (!strcmp(turns[turn], name))
			return turn;
	return TURN_NONE;
}

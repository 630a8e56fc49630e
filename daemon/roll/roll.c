/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/roll.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "model/turn.h"
#include "remember/remember.h"

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
	roll_advance(pool);
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
	roll_advance(pool);
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

void roll_unwatch(struct pool *pool, const void *arg)
{
	if (pool->roll)
		roll_watch_remove(&pool->roll->watches, arg);
}

void roll_forget(struct pool *pool, const char *why)
{
	if (pool->roll)
		roll_end(pool, why);
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

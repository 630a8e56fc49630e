/* SPDX-License-Identifier: Apache-2.0 */
#include "roll.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"
#include "backend_process.h"
#include "log.h"

struct roll {
	struct pool *pool;
	struct roll_watcher watcher;
	struct backend **workers;
	size_t count, next, running, done;
};

static void __attribute__((format(printf, 2, 3)))
progress(struct roll *roll, const char *format, ...)
{
	char text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_info("pool %s: %s", roll->pool->name, text);
	if (roll->watcher.progress)
		roll->watcher.progress(roll->watcher.arg, text);
}

static void end(struct roll *roll, const char *error)
{
	struct roll_watcher watcher = roll->watcher;

	for (size_t i = 0; i < roll->count; i++)
		roll->workers[i]->rolling = false;
	roll->pool->roll = NULL;
	if (error)
		log_error("pool %s: roll ended: %s", roll->pool->name, error);
	else
		log_info("pool %s: rolled %zu workers", roll->pool->name, roll->done);
	free(roll->workers);
	free(roll);
	if (watcher.done)
		watcher.done(watcher.arg, error);
}

static void begin_one(struct roll *roll, struct backend *backend)
{
	backend->rolling = true;
	roll->running++;
	progress(roll, "%s: %s (%zu of %zu)", backend->name,
		 state_has_process(backend->state) ? "draining" : "starting", roll->next,
		 roll->count);
	if (state_has_process(backend->state))
		backend_drain(backend, roll->pool->conf->drain_timeout_ms * 1000ULL, GOAL_RESTART);
	else
		backend_process_start_by_hand(backend);
}

/* One that was stopped or drained by command is left so. */
static bool is_wanted(const struct backend *backend)
{
	return backend->worker && backend->goal == GOAL_RUN && backend->state != STATE_STOPPED;
}

/* Beginning one may end the roll (it could not be spawned), so look it up anew each time. */
static void advance(struct pool *pool)
{
	struct roll *roll;

	while ((roll = pool->roll) && roll->next < roll->count &&
	       roll->running < pool->conf->roll_parallel) {
		struct backend *backend = roll->workers[roll->next++];

		if (is_wanted(backend))
			begin_one(roll, backend);
		else
			roll->done++;
	}
	if (roll && roll->done == roll->count)
		end(roll, NULL);
}

static int start(struct pool *pool, const struct roll_watcher *watcher, bool all)
{
	struct roll *roll;

	if (pool->roll)
		return -EALREADY;
	if (!pool->conf->worker)
		return -ENOENT;
	roll = calloc(1, sizeof(*roll));
	if (!roll)
		return -ENOMEM;
	roll->workers = calloc(pool->count + 1, sizeof(struct backend *));
	if (!roll->workers) {
		free(roll);
		return -ENOMEM;
	}
	roll->pool = pool;
	if (watcher)
		roll->watcher = *watcher;
	for (size_t i = 0; i < pool->count; i++)
		if (is_wanted(pool->backends[i]) &&
		    (all || worker_is_outdated(pool->backends[i]->worker)))
			roll->workers[roll->count++] = pool->backends[i];
	pool->roll = roll;
	advance(pool);
	return 0;
}

int roll_start(struct pool *pool, const struct roll_watcher *watcher)
{
	return start(pool, watcher, true);
}

void roll_outdated(struct pool *pool)
{
	bool any = false;

	for (size_t i = 0; i < pool->count; i++)
		any |= worker_is_outdated(pool->backends[i]->worker);
	if (!any || pool->roll)
		return;
	log_info("pool %s: workers run with old settings: rolling", pool->name);
	start(pool, NULL, false);
}

static void fail(struct roll *roll, const struct backend *backend)
{
	char text[ERROR_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s did not get ready: %s; %zu of %zu workers not touched",
		 backend->name, backend->note[0] ? backend->note : state_name(backend->state),
		 roll->count - roll->next, roll->count);
	end(roll, text);
}

/* By somebody else's command, who does not expect it to be started again. */
static void interrupt(struct roll *roll, const struct backend *backend)
{
	char text[ERROR_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s was %s by another command; %zu of %zu workers not touched",
		 backend->name, state_name(backend->state), roll->count - roll->next, roll->count);
	end(roll, text);
}

void roll_changed(struct backend *backend, enum state from)
{
	struct roll *roll = backend->pool->roll;

	(void)from;
	if (!backend->rolling || !roll)
		return;
	switch (backend->state) {
	case STATE_UP:
		backend->rolling = false;
		roll->running--;
		roll->done++;
		progress(roll, "%s: up (%zu of %zu)", backend->name, roll->done, roll->count);
		advance(roll->pool);
		break;
	case STATE_BACKOFF:
	case STATE_FATAL:
	case STATE_EXITED:
		/* While it is still on its way down an exit is what was asked for. */
		if (backend->goal == GOAL_RUN)
			fail(roll, backend);
		break;
	case STATE_STOPPED:
	case STATE_DRAINED:
		if (backend->goal == GOAL_STOP || backend->goal == GOAL_DRAIN)
			interrupt(roll, backend);
		break;
	default:
		break;
	}
}

void roll_unwatch(struct pool *pool, const void *arg)
{
	if (pool->roll && pool->roll->watcher.arg == arg)
		pool->roll->watcher = (struct roll_watcher){0};
}

void roll_forget(struct pool *pool, const char *why)
{
	if (pool->roll)
		end(pool->roll, why);
}

void roll_move(struct pool *from, struct pool *to)
{
	to->roll = from->roll;
	from->roll = NULL;
	if (to->roll)
		to->roll->pool = to;
}

bool roll_active(const struct pool *pool)
{
	return pool->roll != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/turn.h"

#include <string.h>

#include "model/pool.h"
#include "worker/worker.h"

bool turn_is_rolling(const struct pool *pool)
{
	return pool->roll != NULL;
}

size_t turn_count(const struct pool *pool, enum turn turn)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->count; i++)
		count += pool->backends[i]->turn == turn;
	return count;
}

size_t turn_count_due(const struct pool *pool)
{
	return turn_count(pool, TURN_DUE) + turn_count(pool, TURN_FORCED);
}

bool turn_spares(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i] != backend && pool->backends[i]->state == STATE_UP)
			return true;
	return pool->count == 1;
}

bool turn_is_due(const struct backend *backend)
{
	return backend->turn == TURN_DUE || backend->turn == TURN_FORCED;
}

/* Those that serve nobody first. */
struct backend *turn_next(const struct pool *pool)
{
	struct backend *chosen = NULL;

	for (size_t i = 0; i < pool->count; i++) {
		struct backend *backend = pool->backends[i];

		if (!turn_is_due(backend))
			continue;
		if (backend->state != STATE_UP)
			return backend;
		if (!chosen && (backend->turn == TURN_FORCED || turn_spares(backend)))
			chosen = backend;
	}
	return chosen;
}

/* A try after it served; who has failed since then may do so for ever. */
static bool is_tried_soon(const struct backend *backend)
{
	return backend->state == STATE_BACKOFF && (backend->failures <= 1 || backend->ready_us) &&
	       !backend->port_held_us;
}

bool turn_on_its_way(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		const struct backend *backend = pool->backends[i];

		if (backend->state == STATE_STARTING || backend->goal == GOAL_RESTART ||
		    *backend->ends_for || is_tried_soon(backend))
			return true;
	}
	return false;
}

/* Who waits for a worker that has no turn any more is to look again. */
void turn_clear(struct pool *pool)
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

void turn_give(struct backend *backend, enum turn turn)
{
	if (backend->turn == TURN_NOW)
		return;
	backend->turn = turn;
	backend->turn_pid = worker_pid(backend->worker);
}

static const char *const turns[] = {
	[TURN_NONE] = "none",
	[TURN_DUE] = "due",
	[TURN_FORCED] = "forced",
	[TURN_NOW] = "now",
};

const char *turn_name(enum turn turn)
{
	return turns[turn];
}

enum turn turn_find(const char *name)
{
	for (enum turn turn = TURN_NONE; turn <= TURN_NOW; turn++)
		if (!strcmp(turns[turn], name))
			return turn;
	return TURN_NONE;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "model/coming.h"

#include "model/choice.h"
#include "model/readiness.h"
#include "worker/worker.h"

enum { COMING_SOON_MS = 1000 }; /* about when a client sends its SYN again */

static bool is_checked(const struct pool *pool)
{
	return pool->conf->health.kind != HEALTH_NONE;
}

/* Of a configuration that is being followed: it is started, or looked at, at the end of that. */
static bool is_fresh(const struct pool *pool, const struct backend *backend)
{
	if (!backend->fresh)
		return false;
	if (backend->state == STATE_STOPPED)
		return pool->conf->worker && pool->conf->worker->autostart;
	return backend->state == STATE_DOWN && is_checked(pool);
}

/* After a failure, but soon. */
static bool is_soon(const struct pool *pool, const struct backend *backend)
{
	const struct conf_worker *conf = pool->conf->worker;

	return !backend->failures || worker_backoff_ms(backend->failures, conf->backoff_min_ms,
						       conf->backoff_max_ms) <= COMING_SOON_MS;
}

/* Drained and put back while it was starting: it has as long as for a start, see arm_silence(). */
static bool never_listened(const struct backend *backend)
{
	return backend->worker && !backend->ready_us && !backend_listens(backend);
}

static bool is_coming(const struct pool *pool, const struct backend *backend)
{
	if (backend->kept_out)
		return false;
	/* One that leaves is in a pool's list only where it comes back. */
	if (backend->goal == GOAL_RESTART || backend->goal == GOAL_LEAVE)
		return true;
	if (backend->goal != GOAL_RUN || *backend->ends_for)
		return false;
	if (backend->awaits || is_fresh(pool, backend))
		return true;
	switch (backend->state) {
	case STATE_STARTING: /* for start_timeout at most */
		return true;
	case STATE_BACKOFF:
		return is_soon(pool, backend) && !backend->port_held_us;
	case STATE_DOWN:
		return never_listened(backend) || readiness_just_closed(backend) ||
		       (backend->check.health && health_is_first(backend->check.health));
	default:
		return false;
	}
}

bool coming_any(const struct pool *pool)
{
	if (pool->model->stopping)
		return false;
	for (size_t i = 0; i < pool->count; i++)
		if (is_coming(pool, pool->backends[i]))
			return true;
	return false;
}

static bool is_restarted(const struct backend *backend)
{
	return (backend->state == STATE_UP || backend->state == STATE_DOWN) && backend->worker &&
	       !backend->kept_out && choice_enabled(backend) &&
	       backend->pool->conf->worker->restart != RESTART_NEVER;
}

bool coming_after_death(const struct pool *pool, bool is_v6)
{
	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i]->listens[is_v6] && is_restarted(pool->backends[i]))
			return true;
	return false;
}

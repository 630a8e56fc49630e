/* SPDX-License-Identifier: Apache-2.0 */
#include "model/all_down.h"

#include "base/log.h"
#include "model/readiness.h"

bool all_down_fails(const struct backend *backend)
{
	return backend->state == STATE_DOWN && backend->goal == GOAL_RUN && backend->check.fails &&
	       !backend->stuck.out && !backend->awaits && !*backend->ends_for &&
	       !readiness_failed_start(backend) && backend_listens(backend);
}

static bool is_so(const struct pool *pool, size_t *failing)
{
	*failing = 0;
	if (pool->conf->health.kind == HEALTH_NONE || pool->conf->all_down != ALL_DOWN_SERVE)
		return false;
	for (size_t i = 0; i < pool->count; i++) {
		if (pool->backends[i]->state == STATE_UP)
			return false;
		*failing += all_down_fails(pool->backends[i]);
	}
	return *failing > 0;
}

bool all_down_look(struct pool *pool)
{
	size_t failing;
	bool now = is_so(pool, &failing);

	if (now == pool->all_down)
		return false;
	pool->all_down = now;
	if (now)
		log_error("pool %s: ALL CHECKS FAIL: it serves on, on the %zu that listen, as if "
			  "they were up (all_down serve); look at the check, and at them",
			  pool->name, failing);
	else
		log_info("pool %s: its checks decide again", pool->name);
	return true;
}

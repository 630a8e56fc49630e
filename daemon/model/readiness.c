/* SPDX-License-Identifier: Apache-2.0 */
#include "model/readiness.h"

#include "base/clock.h"
#include "model/model.h"
#include "model/queries.h"
#include "worker/worker.h"

bool readiness_by_accepts(const struct backend *backend)
{
	const struct conf_pool *pool = backend->pool ? backend->pool->conf : NULL;

	return pool && backend->worker && pool->worker && pool->worker->inherit &&
	       pool->worker->readiness == READY_LISTENER && pool->health.kind == HEALTH_NONE;
}

/* One that was up by the settings that it was started with is not asked for a word that it never had to say. */
bool readiness_is_told(const struct backend *backend)
{
	const struct conf_worker *conf = backend_worker_conf(backend);

	return !conf || conf->readiness != READY_NOTIFY || backend->notified || backend->ready_us;
}

bool readiness_met(const struct backend *backend)
{
	if (!backend_listens(backend) || backend->stuck.out || *backend->ends_for)
		return false;
	/* What it inherits listens before it runs. */
	if (backend->worker && !worker_runs(backend->worker))
		return false;
	if (!readiness_is_told(backend))
		return false;
	if (readiness_by_accepts(backend) && !backend->ready_us && !backend->accepts.is_seen)
		return false;
	return !backend_has_check(backend) || backend->check.passes;
}

bool readiness_failed_start(const struct backend *backend)
{
	return backend->state == STATE_DOWN && backend->goal == GOAL_RUN && backend->worker &&
	       !backend->ready_us && backend->check.fails;
}

bool readiness_is_silent(const struct backend *backend)
{
	return backend->state == STATE_DOWN && backend_worker_conf(backend) &&
	       !backend_listens(backend) && !*backend->ends_for;
}

uint64_t readiness_silent_for_us(const struct backend *backend)
{
	return clock_us() -
	       (backend->closed_us > backend->since_us ? backend->closed_us : backend->since_us);
}

bool readiness_just_closed(const struct backend *backend)
{
	return readiness_is_silent(backend) &&
	       backend_worker_conf(backend)->restart != RESTART_NEVER && backend->ready_us &&
	       clock_us() - backend->closed_us < READINESS_JUST_CLOSED_US;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/recycle.h"

#include "backend/backend.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "model/pool.h"
#include "model/turn.h"
#include "worker/worker.h"

enum { LOOK_US = 5 * 1000 * 1000, JITTER_PERCENT = 10 };

/* Up to 10 % more or less, by the process, so that workers started together do not end together. */
static uint64_t age_limit_us(const struct backend *backend, uint32_t max_age_s)
{
	pid_t pid = worker_pid(backend->worker);
	uint64_t spread = hash_bytes(&pid, sizeof(pid)) % (2 * JITTER_PERCENT + 1);

	return max_age_s * 10000ULL * (100 - JITTER_PERCENT + spread);
}

static const char *recycle_reason(const struct backend *backend)
{
	const struct conf_worker *conf = backend->pool->conf->worker;
	uint64_t age_us = clock_us() - worker_started_us(backend->worker);

	if (conf->max_age_s && age_us > age_limit_us(backend, conf->max_age_s))
		return "age";
	if (conf->max_memory_bytes && worker_memory(backend->worker) > conf->max_memory_bytes)
		return "memory";
	return NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Until the next one of the pool is too old, where that comes before the next look. */
static uint64_t until_old_us(const struct pool *pool, uint64_t left_us)
{
	uint64_t now_us = clock_us();

	for (size_t i = 0; i < pool->count && pool->conf->worker->max_age_s; i++) {
		const struct backend *backend = pool->backends[i];
		uint64_t due_us;

		if (!backend->worker || !worker_pid(backend->worker))
			continue;
		due_us = worker_started_us(backend->worker) +
			 age_limit_us(backend, pool->conf->worker->max_age_s) + 1;
		/* One whose time has come waits for its turn. */
		if (due_us > now_us)
			left_us = earlier(left_us, due_us - now_us);
	}
	return left_us;
}

static bool wants_recycle(const struct conf_worker *conf)
{
	return conf && (conf->max_age_s || conf->max_memory_bytes);
}

/*
 * One at a time: nothing while another of the pool is on its way.  The oldest first, or one that is
 * always over its limit would be the only one whose turn ever comes.
 */
static void look_at_pool(struct pool *pool)
{
	struct backend *chosen = NULL;

	if (!wants_recycle(pool->conf->worker) || turn_is_rolling(pool) || turn_on_its_way(pool))
		return;
	for (size_t i = 0; i < pool->count; i++) {
		struct backend *backend = pool->backends[i];

		if (backend->worker && backend->state == STATE_UP && turn_spares(backend) &&
		    recycle_reason(backend) &&
		    (!chosen ||
		     worker_started_us(backend->worker) < worker_started_us(chosen->worker)))
			chosen = backend;
	}
	if (!chosen)
		return;
	log_info("%s: recycled for its %s", chosen->name, recycle_reason(chosen));
	backend_drain(chosen, pool->conf->drain_timeout_ms * 1000ULL, GOAL_RESTART);
}

static int look_for_old(sd_event_source *source, uint64_t now, void *arg)
{
	struct model *model = arg;

	(void)source, (void)now;
	for (size_t i = 0; i < model->pool_count; i++)
		look_at_pool(model->pools[i]);
	recycle_watch(model);
	return 0;
}

void recycle_watch(struct model *model)
{
	uint64_t left_us = LOOK_US;
	bool any = false;

	for (size_t i = 0; i < model->pool_count; i++) {
		const struct pool *pool = model->pools[i];

		if (!wants_recycle(pool->conf->worker))
			continue;
		any = true;
		left_us = until_old_us(pool, left_us);
	}
	if (any && !model->stopping)
		clock_arm(model->event, &model->recycle_timer, left_us, look_for_old, model);
	else
		clock_disarm(model->recycle_timer);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "backend/backend.h"
#include "backend/process.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "leave/leave.h"
#include "listeners/listeners.h"
#include "reconcile/check.h"
#include "reconcile/difference.h"
#include "reconcile/plan.h"
#include "reconcile/services.h"
#include "reconcile/stage.h"
#include "remember/remember.h"
#include "roll/roll.h"
#include "worker/worker.h"

static void follow_drain_word(struct backend *backend, bool drain)
{
	if (backend->drain.asked == drain)
		return;
	backend->drain.asked = drain;
	if (drain)
		backend_drain(backend, backend->pool->conf->drain_timeout_ms * 1000ULL, GOAL_DRAIN);
	else
		backend_undrain(backend);
}

/* It was leaving.  What has been told to stop cannot be told otherwise: it is started again. */
static void come_back(struct backend *backend, const struct conf_backend *conf)
{
	backend->drain.asked = conf->drain;
	backend->kept_out = false;
	backend_set_weight(backend, conf->weight, 0);
	backend->leave.timeout_us = UINT64_MAX;
	backend->goal = GOAL_RUN;
	if (conf->drain)
		backend_drain(backend, backend->pool->conf->drain_timeout_ms * 1000ULL, GOAL_DRAIN);
	else if (backend->worker && !state_has_process(backend->state))
		backend->fresh = true;
	else if (backend->state == STATE_STOPPING || worker_is_outdated(backend->worker))
		backend->goal = GOAL_RESTART;
	else
		backend_undrain(backend);
}

static void update_backend(struct backend *backend, const struct conf_backend *conf)
{
	backend_set_weight(backend, conf->weight, backend->asked_weight);
	backend->max_connections = conf->max_connections;
	/* Those who may not any more are let go by the look that follows. */
	if (backend_set_maker(backend, conf))
		apply_backend_id(backend);
	if (backend->worker)
		backend_process_set_conf(backend);
	backend_set_health(backend, &backend->pool->conf->health);
	if (backend->goal == GOAL_LEAVE)
		come_back(backend, conf);
	else
		follow_drain_word(backend, conf->drain);
	backend_evaluate(backend);
	apply_backend(backend);
}

static void move_state(struct pool *to, struct pool *from)
{
	to->published = from->published;
	to->is_published = from->is_published;
	to->ring_digest = from->ring_digest;
	to->failing = from->failing;
	to->has_gained = from->has_gained;
	from->has_gained = false; /* the kernel side has one list for both */
	to->all_down = from->all_down;
	roll_move(from, to);
}

/* A roll goes by the workers that were there when it began. */
static void forget_roll(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (!pool->backends[i]->kept) {
			roll_forget(pool, "the pool's workers have changed");
			return;
		}
}

/* The pools of before, whose backends that do not stay are theirs alone now. */
static struct pool **swap_pools(struct plan *plan, size_t *before_count)
{
	struct model *model = plan->model;
	struct pool **before = model->pools;

	*before_count = model->pool_count;
	for (size_t i = 0; i < *before_count; i++)
		forget_roll(before[i]);
	model->pools = plan->pools;
	model->pool_count = plan->pool_count;
	for (size_t i = 0; i < *before_count; i++) {
		struct pool *after = pool_find(model, before[i]->name);

		if (after)
			move_state(after, before[i]);
	}
	for (size_t i = 0; i < plan->added_count; i++)
		if (plan->added[i].comes_back)
			leave_take_back(plan->added[i].backend);
	for (size_t i = 0; i < plan->pool_count; i++)
		for (size_t j = 0; j < plan->pools[i]->count; j++)
			plan->pools[i]->backends[j]->pool = plan->pools[i];
	return before;
}

/* Who leaves finds nobody in it: one that has left is gone, and one that stays is another pool's. */
static void retire_pool(struct model *model, struct pool *pool)
{
	size_t count = pool->count;

	pool->count = 0;
	for (size_t i = 0; i < count; i++)
		if (pool->backends[i]->pool == pool)
			leave_add(pool->backends[i]);
	if (!pool_find(model, pool->name))
		apply_pool_removed(pool);
	if (!pool->leaving)
		pool_free(pool);
}

/* Those first that are to serve: others may have to stand in for them until then. */
static void update_pool(struct pool *pool)
{
	for (int drain = 0; drain < 2; drain++)
		for (size_t i = 0; i < pool->count; i++)
			if (pool->backends[i]->kept && pool->conf->backends[i].drain == drain)
				update_backend(pool->backends[i], &pool->conf->backends[i]);
	for (size_t i = 0; i < pool->count; i++)
		pool->backends[i]->kept = false;
	apply_pool_later(pool);
}

/* After those that are new have been started: where one was up alone it waits for them. */
static void roll_old(struct model *model, const struct conf *before, bool is_reload)
{
	for (size_t i = 0; i < model->pool_count; i++) {
		struct pool *pool = model->pools[i];
		const struct conf_pool *old = before ? conf_find_pool(before, pool->name) : NULL;

		if (is_reload || (old && difference_restarts(old, pool->conf)))
			roll_outdated(pool);
	}
}

static void start_worker(struct backend *backend)
{
	if (!backend->worker && backend->fresh)
		backend_await(backend);
	if (backend->worker && backend->fresh && backend->state == STATE_STOPPED &&
	    backend->pool->conf->worker->autostart)
		backend_process_start(backend, EVENT_START);
	if (backend->fresh || backend->goal == GOAL_STOP)
		backend_go_on(backend);
	if (!backend->fresh)
		return;
	backend->fresh = false;
	apply_pool_coming(backend->pool);
}

static void start_workers(struct plan *plan)
{
	for (size_t i = 0; i < plan->pool_count; i++)
		for (size_t j = 0; j < plan->order[i]->count; j++)
			start_worker(plan->order[i]->backends[j]);
	remember_forget(plan->model);
}

static void set_hash_seed(struct model *model)
{
	int err = datapath_set_seed(model->dp,
				    model->conf->has_hash_seed ? model->conf->hash_seed : NULL);

	if (err)
		log_error("hash_seed: cannot write it to the kernel side: %s", strerror(-err));
}

/* From here on nothing can fail but what may at any time, and is made good: see apply_now(). */
void reconcile_commit(struct plan *plan, bool is_reload)
{
	struct model *model = plan->model;
	struct conf *before = model->conf;
	struct pool **pools;
	size_t count;

	/* Who follows changes of states sees the model when it is whole again. */
	changes_hold(&model->changes);
	pools = swap_pools(plan, &count);
	services_free(model->services, model->service_count);
	model->services = plan->services;
	model->service_count = plan->conf->service_count;
	model->conf = plan->conf;
	for (size_t i = 0; i < plan->pool_count; i++)
		update_pool(plan->pools[i]);
	apply_now(model);
	/* Those that go served until others were there to be chosen. */
	for (size_t i = 0; i < count; i++)
		retire_pool(model, pools[i]);
	free(pools);
	if (listeners_scan(model))
		listeners_scan_later(model);
	start_workers(plan);
	roll_old(model, before, is_reload);
	set_hash_seed(model);
	interfaces_reconcile(model->interfaces, model->conf->attaches, model->conf->attach_count);
	remember_later(model); /* who comes back may have another goal in the same state */
	changes_release(&model->changes);
	conf_free(before);
	free(plan->order);
	free(plan->added);
	free(plan);
}

int reconcile_begin(struct model *model, struct conf *conf, struct plan **out, struct error *error)
{
	struct plan *plan;
	int err = reconcile_check(model, conf, error);

	if (err)
		return err;
	plan = calloc(1, sizeof(*plan));
	if (!plan)
		return error_set(error, -ENOMEM, "out of memory");
	err = plan_make(plan, model, conf, error);
	if (!err)
		err = plan_stage(plan, error);
	if (err)
		reconcile_cancel(plan);
	else
		*out = plan;
	return err;
}

void reconcile_cancel(struct plan *plan)
{
	plan_unstage(plan);
	plan_drop(plan);
	free(plan);
}

static void free_pool(struct pool *pool)
{
	roll_free(pool);
	for (size_t i = 0; i < pool->count; i++)
		backend_free(pool->backends[i]);
	pool_free(pool);
}

void reconcile_free(struct model *model)
{
	leave_free(model);
	services_free(model->services, model->service_count);
	for (size_t i = 0; i < model->pool_count; i++)
		free_pool(model->pools[i]);
	free(model->pools);
	conf_free(model->conf);
	sd_event_source_disable_unref(model->deferred);
	sd_event_source_disable_unref(model->apply_timer);
	sd_event_source_disable_unref(model->owed_timer);
	sd_event_source_disable_unref(model->scan_timer);
	sd_event_source_disable_unref(model->remember_source);
	sd_event_source_disable_unref(model->recycle_timer);
	changes_clear(&model->changes);
	remember_forget(model);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "backend.h"
#include "backend_process.h"
#include "difference.h"
#include "leave.h"
#include "listeners.h"
#include "log.h"
#include "reconcile_check.h"
#include "remember.h"
#include "roll.h"
#include "services.h"

static int take_pool_id(const struct model *model, const struct conf *conf, unsigned index,
			uint16_t *id)
{
	bool taken[LB_MAX_SERVICES] = {false};

	for (size_t i = 0; i < model->pool_count; i++)
		taken[model->pools[i]->id] = true;
	/* After adoption: the id that the pinned services know it by. */
	for (size_t i = 0; i < conf->service_count; i++) {
		struct lb_service known;

		if (conf->services[i].pool != index)
			continue;
		for (size_t j = 0; j < conf->services[i].listen_count; j++)
			if (!datapath_get_service(model->dp, &conf->services[i].listens[j],
						  &known) &&
			    known.pool < LB_MAX_SERVICES && !taken[known.pool]) {
				*id = known.pool;
				return 0;
			}
	}
	for (unsigned i = 0; i < LB_MAX_SERVICES; i++)
		if (!taken[i]) {
			*id = (uint16_t)i;
			return 0;
		}
	return -ENOSPC;
}

static struct pool *pool_new(struct model *model, const struct conf *conf, unsigned index)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	void *grown = realloc(model->pools, (model->pool_count + 1) * sizeof(struct pool *));

	if (grown)
		model->pools = grown;
	if (!pool || !grown)
		goto fail;
	pool->model = model;
	pool->conf = &conf->pools[index];
	pool->name = strdup(conf->pools[index].name);
	if (!pool->name || take_pool_id(model, conf, index, &pool->id))
		goto fail;
	model->pools[model->pool_count++] = pool;
	return pool;
fail:
	if (pool)
		free(pool->name);
	free(pool);
	return NULL;
}

static void pool_free(struct pool *pool)
{
	roll_forget(pool, "lbd ends");
	for (size_t i = 0; i < pool->count; i++)
		backend_free(pool->backends[i]);
	free(pool->backends);
	free(pool->name);
	free(pool);
}

/* Most often it is where it was. */
static struct backend *find_kept(const struct pool *pool, size_t hint,
				 const struct conf_backend *conf)
{
	struct backend *found = NULL;

	if (hint < pool->count &&
	    !memcmp(&pool->backends[hint]->endpoint, &conf->endpoint, sizeof(conf->endpoint)))
		found = pool->backends[hint];
	else
		found = pool_find_backend(pool->model, pool, &conf->endpoint);
	return found && !found->marked && !!found->worker == conf->supervised ? found : NULL;
}

static void follow_drain_word(struct backend *backend, bool drain)
{
	if (backend->drain_asked == drain)
		return;
	backend->drain_asked = drain;
	if (drain)
		backend_drain(backend, backend->pool->conf->drain_timeout_ms * 1000ULL, GOAL_DRAIN);
	else
		backend_undrain(backend);
}

static void update_backend(struct backend *backend, const struct conf_backend *conf)
{
	backend->weight = conf->weight;
	backend->max_connections = conf->max_connections;
	if (backend->worker)
		worker_set_conf(backend->worker, backend->pool->conf->worker);
	backend_set_health(backend, &backend->pool->conf->health);
	follow_drain_word(backend, conf->drain);
	backend_evaluate(backend);
	apply_backend(backend);
}

/* The pool's backends in the configuration's order; what is not in it leaves. */
static int follow_backends(struct pool *pool, struct error *error)
{
	const struct conf_pool *conf = pool->conf;
	struct backend **now = calloc(conf->backend_count + 1, sizeof(*now));
	struct backend **before = pool->backends;
	size_t before_count = pool->count;
	int err = 0;

	if (!now)
		return error_set(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < conf->backend_count; i++) {
		now[i] = find_kept(pool, i, &conf->backends[i]);
		if (now[i])
			now[i]->marked = true;
	}
	/* Leavers first: their addresses may be wanted again by others. */
	for (size_t i = 0; i < before_count; i++)
		if (!before[i]->marked) {
			roll_forget(pool, "the pool's workers have changed");
			leave_add(before[i]);
		}
	for (size_t i = 0; i < conf->backend_count && !err; i++)
		if (!now[i])
			err = backend_new(pool->model, pool, &conf->backends[i], &now[i], error);
	pool->backends = now;
	pool->count = 0;
	for (size_t i = 0; i < conf->backend_count; i++)
		if (now[i]) {
			bool kept = now[i]->marked;

			now[i]->marked = false;
			now[pool->count++] = now[i];
			if (kept)
				update_backend(now[pool->count - 1], &conf->backends[i]);
		}
	free(before);
	apply_pool_later(pool);
	return err;
}

static int follow_pool(struct model *model, const struct conf *conf, unsigned index,
		       struct error *error)
{
	struct pool *pool = pool_find(model, conf->pools[index].name);
	const struct conf_pool *old = pool ? pool->conf : NULL;
	int err;

	if (!pool)
		pool = pool_new(model, conf, index);
	if (!pool)
		return error_set(error, -ENOSPC, "pool %s: no room for it",
				 conf->pools[index].name);
	pool->conf = &conf->pools[index];
	err = follow_backends(pool, error);
	if (!err && old && difference_restarts(old, pool->conf))
		roll_outdated(pool);
	return err;
}

static bool has_pool(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		if (!strcmp(conf->pools[i].name, name))
			return true;
	return false;
}

static void remove_pools(struct model *model, const struct conf *conf)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->pool_count; i++) {
		struct pool *pool = model->pools[i];

		if (has_pool(conf, pool->name)) {
			model->pools[kept++] = pool;
			continue;
		}
		roll_forget(pool, "the pool's workers have changed");
		for (size_t j = 0; j < pool->count; j++)
			leave_add(pool->backends[j]);
		pool->count = 0;
		apply_pool_removed(pool);
		pool_free(pool);
	}
	model->pool_count = kept;
}

static int by_priority(const void *a, const void *b)
{
	const struct pool *const *left = a, *const *right = b;
	int l = (*left)->conf->worker ? (*left)->conf->worker->priority : 0;
	int r = (*right)->conf->worker ? (*right)->conf->worker->priority : 0;

	return (l > r) - (l < r);
}

static void start_workers(struct model *model)
{
	struct pool **order = calloc(model->pool_count + 1, sizeof(*order));

	if (!order)
		return;
	if (model->pool_count)
		memcpy(order, model->pools, model->pool_count * sizeof(*order));
	qsort(order, model->pool_count, sizeof(*order), by_priority);
	for (size_t i = 0; i < model->pool_count; i++)
		for (size_t j = 0; j < order[i]->count; j++) {
			struct backend *backend = order[i]->backends[j];

			if (backend->worker && backend->fresh && backend->state == STATE_STOPPED &&
			    order[i]->conf->worker->autostart)
				backend_process_start(backend, EVENT_START);
			if (backend->fresh || backend->goal == GOAL_STOP)
				remember_resume(backend);
			backend->fresh = false;
		}
	free(order);
	remember_forget(model);
}

static int follow(struct model *model, struct conf *conf, struct error *error)
{
	int err = 0;

	for (size_t i = 0; i < conf->pool_count && !err; i++)
		err = follow_pool(model, conf, (unsigned)i, error);
	if (err)
		return err;
	err = services_follow(model, conf);
	if (!err)
		err = apply_now(model);
	if (!err)
		err = apply_services(model);
	if (err)
		return error_set(error, err, "cannot write services to the kernel side: %s",
				 strerror(-err));
	remove_pools(model, conf);
	return 0;
}

int reconcile(struct model *model, struct conf *conf, struct error *error)
{
	struct conf *old = model->conf;
	struct error again;
	int err = reconcile_check(model, conf, error);

	if (err)
		return err;
	err = follow(model, conf, error);
	if (err && old) {
		if (follow(model, old, &again))
			log_error("cannot go back to the configuration before: %s", again.text);
		return err;
	}
	if (err)
		return err;
	model->conf = conf;
	if (old)
		leave_add_conf(model, old);
	listeners_scan(model);
	start_workers(model);
	interfaces_reconcile(model->interfaces, conf->attaches, conf->attach_count);
	return 0;
}

void reconcile_free(struct model *model)
{
	leave_free(model);
	services_free(model);
	for (size_t i = 0; i < model->pool_count; i++)
		pool_free(model->pools[i]);
	free(model->pools);
	conf_free(model->conf);
	sd_event_source_disable_unref(model->deferred);
	sd_event_source_disable_unref(model->scan_timer);
	sd_event_source_disable_unref(model->remember_source);
	sd_event_source_disable_unref(model->recycle_timer);
	remember_forget(model);
}

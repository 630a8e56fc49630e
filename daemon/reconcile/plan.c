/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "datapath/datapath.h"
#include "leave/leave.h"
#include "model/leaving.h"
#include "reconcile/services.h"

struct pool *plan_predecessor(const struct plan *plan, const struct pool *pool)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): make_pools() made each of them */
	return pool_find(plan->model, pool->name);
}

enum { NOBODY = -1, SEVERAL = -2 };

/* Whose services know a pool by each id: the pool's index in the configuration. */
static int find_heirs(const struct plan *plan, int heirs[LB_MAX_SERVICES])
{
	const struct conf *conf = plan->conf;

	for (int id = 0; id < LB_MAX_SERVICES; id++)
		heirs[id] = NOBODY;
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct conf_service *service = &conf->services[i];
		struct lb_service known;

		for (size_t j = 0; j < service->listen_count; j++) {
			int err =
				datapath_get_service(plan->model->dp, &service->listens[j], &known);

			if (err && err != -ENOENT)
				return err;
			if (err || known.pool >= LB_MAX_SERVICES)
				continue;
			if (heirs[known.pool] == NOBODY)
				heirs[known.pool] = (int)service->pool;
			else if (heirs[known.pool] != (int)service->pool)
				heirs[known.pool] = SEVERAL;
		}
	}
	return 0;
}

/*
 * After adoption: the ids that the pinned services know their pools by.  One that services of several
 * pools name is nobody's: the others' clients would get the wrong backends until theirs are switched.
 */
static int take_pinned_ids(struct plan *plan, bool *taken, bool *done)
{
	int heirs[LB_MAX_SERVICES], err = find_heirs(plan, heirs);

	for (unsigned id = 0; id < LB_MAX_SERVICES && !err; id++) {
		int heir = heirs[id];

		if (heir < 0 || taken[id] || done[heir])
			continue;
		plan->pools[heir]->id = (uint16_t)id;
		taken[id] = done[heir] = true;
	}
	return err;
}

static void note_pinned(void *arg, const struct lb_endpoint *key, const struct lb_service *value)
{
	bool *pinned = arg;

	(void)key;
	if (value->pool < LB_MAX_SERVICES)
		pinned[value->pool] = true;
}

/* One that no service names either, as long as there are such. */
static unsigned free_pool_id(const bool *taken, const bool *pinned)
{
	for (unsigned id = 0; id < LB_MAX_SERVICES; id++)
		if (!taken[id] && !pinned[id])
			return id;
	for (unsigned id = 0; id < LB_MAX_SERVICES; id++)
		if (!taken[id])
			return id;
	return LB_MAX_SERVICES;
}

/* Those that are known keep theirs; one of a pool that goes is not free before it has gone. */
static int take_ids(struct plan *plan, struct error *error)
{
	bool taken[LB_MAX_SERVICES] = {false}, done[LB_MAX_SERVICES] = {false};
	bool pinned[LB_MAX_SERVICES] = {false};
	size_t known_count = 0;
	int err;

	for (size_t i = 0; i < plan->model->pool_count; i++)
		taken[plan->model->pools[i]->id] = true;
	for (size_t i = 0; i < plan->pool_count; i++) {
		const struct pool *known = plan_predecessor(plan, plan->pools[i]);

		done[i] = known != NULL;
		known_count += done[i];
		if (known)
			plan->pools[i]->id = known->id;
	}
	if (known_count == plan->pool_count)
		return 0;
	err = take_pinned_ids(plan, taken, done);
	if (!err)
		err = datapath_each_service(plan->model->dp, note_pinned, pinned);
	if (err)
		return error_set(error, err, "cannot read the services of the kernel side: %s",
				 strerror(-err));
	for (size_t i = 0; i < plan->pool_count; i++) {
		unsigned next = done[i] ? 0 : free_pool_id(taken, pinned);

		if (done[i])
			continue;
		if (next == LB_MAX_SERVICES)
			return error_set(error, -ENOSPC,
					 "pool %s: no room beside the pools that go: at most %d at "
					 "a time; first remove those, then add others",
					 plan->pools[i]->name, LB_MAX_SERVICES);
		plan->pools[i]->id = (uint16_t)next;
		taken[next] = true;
	}
	return 0;
}

/* Most often it is where it was. */
static struct backend *find_kept(const struct pool *pool, size_t hint,
				 const struct conf_backend *conf)
{
	struct backend *found;

	if (!pool)
		return NULL;
	if (hint < pool->count &&
	    !memcmp(&pool->backends[hint]->endpoint, &conf->endpoint, sizeof(conf->endpoint)))
		found = pool->backends[hint];
	else
		found = pool_find_backend(pool->model, pool, &conf->endpoint);
	return found && !found->kept && !!found->worker == conf->supervised ? found : NULL;
}

static int add_backend(struct plan *plan, struct pool *pool, const struct conf_backend *conf,
		       struct error *error)
{
	struct backend *backend;
	int err = backend_new(plan->model, pool, conf, NULL, &backend, error);

	if (err)
		return err;
	plan->added[plan->added_count++].backend = backend;
	pool->backends[pool->count++] = backend;
	return 0;
}

static struct backend *find_leaver(struct plan *plan, const struct pool *pool,
				   const struct conf_backend *conf)
{
	struct backend *found = leave_find(plan->model, pool->name, conf);

	if (found)
		plan->added[plan->added_count++] =
			(struct plan_backend){.backend = found, .comes_back = true};
	return found;
}

/*
 * One without a worker is whoever listens at its address, whatever pool has it: with its number go its connections and
 * their count, and what is known of it.
 */
static struct backend *find_mover(const struct plan *plan, const struct conf_backend *conf)
{
	struct backend *found =
		conf->supervised ? NULL : pool_find_backend(plan->model, NULL, &conf->endpoint);

	return found && !found->worker && !found->kept ? found : NULL;
}

/* The pool's backends in the configuration's order: those that stay, come from another or back, and new ones. */
static int fill_pool(struct plan *plan, struct pool *pool, struct error *error)
{
	const struct conf_pool *conf = pool->conf;
	const struct pool *before = plan_predecessor(plan, pool);
	int err = 0;

	for (size_t i = 0; i < conf->backend_count && !err; i++) {
		struct backend *kept = find_kept(before, i, &conf->backends[i]);

		if (!kept)
			kept = find_mover(plan, &conf->backends[i]);
		if (!kept)
			kept = find_leaver(plan, pool, &conf->backends[i]);
		if (!kept) {
			err = add_backend(plan, pool, &conf->backends[i], error);
			continue;
		}
		kept->kept = true;
		pool->backends[pool->count++] = kept;
		err = backend_prepare_health(kept, &conf->health, error);
	}
	return err;
}

static int priority_of(const struct pool *pool)
{
	return pool->conf->worker ? pool->conf->worker->priority : 0;
}

static int by_priority(const void *a, const void *b)
{
	const struct pool *const *left = a, *const *right = b;
	int l = priority_of(*left), r = priority_of(*right);

	return (l > r) - (l < r);
}

static size_t count_backends(const struct conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->pool_count; i++)
		count += conf->pools[i].backend_count;
	return count;
}

static int make_pools(struct plan *plan)
{
	const struct conf *conf = plan->conf;

	plan->pools = calloc(conf->pool_count + 1, sizeof(struct pool *));
	plan->order = calloc(conf->pool_count + 1, sizeof(struct pool *));
	plan->added = calloc(count_backends(conf) + 1, sizeof(*plan->added));
	if (!plan->pools || !plan->order || !plan->added)
		return -ENOMEM;
	for (size_t i = 0; i < conf->pool_count; i++) {
		plan->pools[i] = plan->order[i] = pool_new(plan->model, plan->conf, i);
		if (!plan->pools[i])
			return -ENOMEM;
		plan->pool_count++;
	}
	qsort(plan->order, plan->pool_count, sizeof(struct pool *), by_priority);
	return 0;
}

/* Before anything of them is staged: what leaves has its listener until it has ended. */
static void find_awaiting(struct plan *plan)
{
	for (size_t i = 0; i < plan->added_count; i++) {
		struct backend *backend = plan->added[i].backend;

		if (backend && !plan->added[i].comes_back && !backend->worker)
			backend->awaits = leaving_will_hold(backend);
	}
}

int plan_make(struct plan *plan, struct model *model, struct conf *conf, struct error *error)
{
	int err;

	*plan = (struct plan){.model = model, .conf = conf};
	err = make_pools(plan);
	if (err)
		return error_set(error, err, "out of memory");
	err = take_ids(plan, error);
	for (size_t i = 0; i < plan->pool_count && !err; i++)
		err = fill_pool(plan, plan->pools[i], error);
	if (err)
		return err;
	find_awaiting(plan);
	err = services_build(model, conf, plan->pools, &plan->services);
	if (err == -ENOMEM)
		return error_set(error, err, "out of memory");
	return err ? error_set(error, err, "cannot read the services of the kernel side: %s",
			       strerror(-err))
		   : 0;
}

static void let_go_of_kept(struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		pool->backends[i]->kept = false;
		backend_drop_health(pool->backends[i]);
	}
}

void plan_drop(struct plan *plan)
{
	services_free(plan->services, plan->conf->service_count);
	for (size_t i = 0; i < plan->pool_count; i++)
		let_go_of_kept(plan->pools[i]);
	for (size_t i = 0; i < plan->added_count; i++)
		if (!plan->added[i].comes_back)
			backend_free(plan->added[i].backend);
	for (size_t i = 0; i < plan->pool_count; i++)
		pool_free(plan->pools[i]);
	free(plan->pools);
	free(plan->order);
	free(plan->added);
}

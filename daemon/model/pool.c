/* SPDX-License-Identifier: Apache-2.0 */
#include "model/pool.h"

#include "datapath/datapath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pool *pool_new(struct model *model, struct conf *conf, size_t index)
{
	const struct conf_pool *own = &conf->pools[index];
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->model = model;
	pool->conf = own;
	pool->name = strdup(own->name);
	pool->backends = calloc(own->backend_count + 1, sizeof(struct backend *));
	if (!pool->name || !pool->backends) {
		pool_free(pool);
		return NULL;
	}
	pool->whole = conf_hold(conf);
	return pool;
}

void pool_free(struct pool *pool)
{
	if (!pool)
		return;
	conf_free(pool->whole);
	free(pool->backends);
	free(pool->name);
	free(pool);
}

struct pool *pool_find(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->pool_count; i++)
		if (!strcmp(model->pools[i]->name, name))
			return model->pools[i];
	return NULL;
}

struct service *pool_find_service(const struct model *model, const char *name)
{
	for (size_t i = 0; i < model->service_count; i++)
		if (!strcmp(model->services[i]->name, name))
			return model->services[i];
	return NULL;
}

static struct backend *find_in(const struct pool *pool, const struct lb_endpoint *endpoint)
{
	for (size_t i = 0; i < pool->count; i++)
		if (!memcmp(&pool->backends[i]->endpoint, endpoint, sizeof(*endpoint)))
			return pool->backends[i];
	return NULL;
}

struct backend *pool_find_backend(const struct model *model, const struct pool *pool,
				  const struct lb_endpoint *endpoint)
{
	struct backend *found = NULL;

	if (pool)
		return find_in(pool, endpoint);
	for (size_t i = 0; i < model->pool_count && !found; i++)
		found = find_in(model->pools[i], endpoint);
	return found;
}

void pool_each_backend(struct model *model, void (*each)(void *arg, struct backend *), void *arg)
{
	struct backend *backend, *next;

	for (size_t i = 0; i < model->pool_count; i++)
		for (size_t j = 0; j < model->pools[i]->count; j++)
			each(arg, model->pools[i]->backends[j]);
	for (backend = model->leaving; backend; backend = next) {
		next = backend->next;
		each(arg, backend);
	}
}

static bool target_names(const char *target, const struct backend *backend)
{
	size_t length = strlen(target);

	if (!backend->worker)
		return false;
	if (!strcmp(target, "all") || !strcmp(target, backend->name))
		return true;
	if (length < 2 || strcmp(target + length - 2, ":*"))
		return false;
	return strlen(backend->pool->name) == length - 2 &&
	       !strncmp(backend->pool->name, target, length - 2);
}

struct target {
	const char *name;
	void (*each)(void *arg, struct backend *);
	void *arg;
	int count;
};

static void take_if_named(void *arg, struct backend *backend)
{
	struct target *target = arg;

	if (!target_names(target->name, backend))
		return;
	target->each(target->arg, backend);
	target->count++;
}

int pool_each_target(struct model *model, const char *target,
		     void (*each)(void *arg, struct backend *), void *arg, struct error *error)
{
	struct target named = {target, each, arg, 0};

	pool_each_backend(model, take_if_named, &named);
	if (!named.count)
		return error_set(error, -ENOENT,
				 "%s: no such worker; name one as POOL:PORT, POOL:* or all "
				 "(`lbctl worker` lists them)",
				 target);
	return named.count;
}

static void note_pinned(void *arg, const struct lb_endpoint *key, const struct lb_backend_id *value)
{
	struct model *model = arg;

	(void)key;
	if (value->backend < LB_MAX_BACKENDS)
		model->pinned[value->backend] = true;
}

int pool_find_pinned(struct model *model)
{
	return datapath_adopted(model->dp) ? datapath_each_backend_id(model->dp, note_pinned, model)
					   : 0;
}

void pool_forget_pinned(struct model *model)
{
	memset(model->pinned, 0, sizeof(model->pinned));
}

/* DANGER: with the id of one that is about to be taken back go the counts of its open connections. */
static int lowest_free_id(const struct model *model)
{
	int last_resort = -ENOSPC;

	for (int id = 0; id < LB_MAX_BACKENDS; id++) {
		if (model->by_id[id] || model->remnants[id].is_there)
			continue;
		if (!model->pinned[id])
			return id;
		if (last_resort < 0 && !model->is_stale)
			last_resort = id;
	}
	return last_resort;
}

/* The one that pinned maps have for it; -ENOENT: none, or it is taken. */
static int own_id(const struct model *model, const struct lb_endpoint *endpoint)
{
	struct lb_backend_id pinned;
	int err = datapath_adopted(model->dp)
			  ? datapath_get_backend_id(model->dp, endpoint, &pinned)
			  : -ENOENT;

	if (err)
		return err;
	if (pinned.backend >= LB_MAX_BACKENDS || model->by_id[pinned.backend] ||
	    model->remnants[pinned.backend].is_there)
		return -ENOENT;
	return pinned.backend;
}

int pool_take_place(struct model *model, const struct lb_endpoint *endpoint,
		    struct backend_place *place)
{
	int own = own_id(model, endpoint), chosen = own == -ENOENT ? lowest_free_id(model) : own;
	struct lb_backend value;
	int err;

	if (chosen < 0)
		return chosen;
	err = datapath_get_backend(model->dp, (uint16_t)chosen, &value);
	if (err)
		return err;
	place->id = (uint16_t)chosen;
	place->generation = value.generation + (chosen != own);
	return 0;
}

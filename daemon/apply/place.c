/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/place.h"

#include <string.h>

#include "base/log.h"
#include "datapath/datapath.h"
#include "model/choice.h"
#include "worker/worker.h"

int apply_publish(struct backend *backend, bool enabled)
{
	struct lb_backend value = {
		.generation = backend->generation,
		.weight = (uint16_t)choice_weight(backend),
		.flags = enabled ? LB_BACKEND_ENABLED : 0,
		.max_connections = backend->max_connections,
		.pool = backend->pool ? backend->pool->id : LB_MAX_SERVICES,
	};
	int err;

	if (backend->is_published && !memcmp(&value, &backend->published, sizeof(value)))
		return 0;
	err = datapath_set_backend(backend->model->dp, backend->id, &value);
	if (!err)
		backend->published = value;
	backend->is_published = !err;
	return err;
}

static int write_id(struct backend *backend)
{
	struct lb_backend_id value = {
		.backend = backend->id,
		.flags = backend->worker || backend->awaits ? LB_ID_WORKER
			 : backend->owner[0]                ? LB_ID_OWNER
							    : 0,
		.owner = backend->owner_uid,
	};

	return datapath_set_backend_id(backend->model->dp, &backend->endpoint, &value);
}

void apply_backend_id(struct backend *backend)
{
	int err = write_id(backend);

	if (err)
		log_error("%s: cannot write who may listen there to the kernel side: %s",
			  backend->name, strerror(-err));
	backend->denied = err != 0; /* the next look for listeners tries again */
}

/*
 * The generation before its count, and the count before it can be chosen: a connection of the generation
 * before that is opened or closed meanwhile is not counted, neither in the old sum nor in the new one.
 */
static int begin_generation(struct backend *backend, const struct apply_before *before)
{
	int err;

	if (before->value.generation == backend->generation)
		return 0;
	err = apply_publish(backend, false);
	return err ? err : datapath_clear_load(backend->model->dp, backend->id);
}

int apply_backend_added(struct backend *backend, struct apply_before *before)
{
	struct datapath *dp = backend->model->dp;
	uint64_t cookie;
	int err;

	*before = (struct apply_before){0};
	datapath_get_backend(dp, backend->id, &before->value);
	before->has_id = !datapath_get_backend_id(dp, &backend->endpoint, &before->id);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		before->has_listener[is_v6] =
			!datapath_get_listener(dp, backend->id, is_v6, &cookie);
	err = begin_generation(backend, before);
	if (!err)
		err = apply_publish(backend, choice_enabled(backend));
	return err ? err : write_id(backend);
}

static void forget_group(struct backend *backend)
{
	if (backend->group)
		datapath_set_worker(backend->model->dp, backend->group, NULL);
	backend->group = 0;
}

void apply_backend_taken_back(struct backend *backend, const struct apply_before *before)
{
	struct datapath *dp = backend->model->dp;

	forget_group(backend);
	datapath_set_backend_id(dp, &backend->endpoint, before->has_id ? &before->id : NULL);
	datapath_set_backend(dp, backend->id, &before->value);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (!before->has_listener[is_v6])
			datapath_remove_listener(dp, backend->id, is_v6);
}

int apply_worker(struct backend *backend)
{
	uint64_t group = worker_group(backend->worker);
	bool fuse = backend->pool->conf->worker->fuse;
	struct lb_worker value = {.endpoint = backend->endpoint,
				  .backend = backend->id,
				  .flags = fuse ? LB_WORKER_FUSE : 0};
	int err = group ? datapath_set_worker(backend->model->dp, group, &value) : 0;

	if (!err)
		backend->group = group;
	return err;
}

/* Whoever was given its listening socket has it still, but no connection any more. */
void apply_worker_ended(struct backend *backend)
{
	forget_group(backend);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (worker_listener(backend->worker, is_v6) < 0)
			datapath_remove_listener(backend->model->dp, backend->id, is_v6);
}

void apply_backend_hidden(struct backend *backend)
{
	struct lb_backend_id known;

	if (!datapath_get_backend_id(backend->model->dp, &backend->endpoint, &known) &&
	    known.backend == backend->id)
		datapath_set_backend_id(backend->model->dp, &backend->endpoint, NULL);
}

void apply_backend_removed(struct backend *backend)
{
	apply_publish(backend, false);
	apply_backend_hidden(backend);
	forget_group(backend);
	datapath_remove_listener(backend->model->dp, backend->id, false);
	datapath_remove_listener(backend->model->dp, backend->id, true);
}

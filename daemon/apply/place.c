/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/place.h"

#include <errno.h>
#include <string.h>

#include "apply/owed.h"
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

int apply_write_id(struct backend *backend)
{
	struct lb_backend_id value = {
		.backend = backend->id,
		.flags = backend->worker || backend->awaits ? LB_ID_WORKER
			 : backend->maker[0]                ? LB_ID_MAKER
							    : 0,
		.maker = backend->maker_uid,
	};

	return datapath_set_backend_id(backend->model->dp, &backend->endpoint, &value);
}

void apply_backend_id(struct backend *backend)
{
	int err = apply_write_id(backend);

	if (err)
		log_error("%s: cannot write who may listen there to the kernel side: %s",
			  backend->name, strerror(-err));
	backend->denied = false;
	backend->owes_id = err != 0;
	if (err)
		owed_later(backend->model);
}

/*
 * The generation before its count, and the count before it can be chosen: a connection of the generation
 * before that is opened or closed meanwhile is not counted, neither in the old sum nor in the new one.
 * What listened for the one before does not listen for this one.
 */
static int begin_generation(struct backend *backend, const struct apply_before *before)
{
	struct datapath *dp = backend->model->dp;
	int err;

	if (before->value.generation == backend->generation)
		return 0;
	err = apply_publish(backend, false);
	for (int is_v6 = 0; is_v6 < 2 && !err; is_v6++)
		if (before->has_listener[is_v6])
			err = datapath_remove_listener(dp, backend->id, is_v6);
	return err ? err : datapath_clear_load(dp, backend->id);
}

static int read_before(const struct backend *backend, struct apply_before *before)
{
	struct datapath *dp = backend->model->dp;
	int err = datapath_get_backend(dp, backend->id, &before->value);

	if (!err) {
		err = datapath_get_backend_id(dp, &backend->endpoint, &before->id);
		before->has_id = !err;
	}
	for (int is_v6 = 0; is_v6 < 2 && (!err || err == -ENOENT); is_v6++) {
		uint64_t cookie;

		err = datapath_get_listener(dp, backend->id, is_v6, &cookie);
		before->has_listener[is_v6] = !err;
	}
	return err == -ENOENT ? 0 : err;
}

int apply_backend_added(struct backend *backend, struct apply_before *before)
{
	int err;

	*before = (struct apply_before){0};
	err = read_before(backend, before);
	if (err)
		return err;
	before->is_known = true;
	err = begin_generation(backend, before);
	if (!err)
		err = apply_publish(backend, choice_enabled(backend));
	return err ? err : apply_write_id(backend);
}

static void forget_all(struct backend *backend)
{
	uint64_t group = backend->group;

	backend->group = 0;
	owed_forget(backend->model, backend->id, &backend->endpoint, group);
}

/* Its address is another's again, to whom it belonged before. */
static void give_back_id(struct backend *backend, const struct lb_backend_id *before)
{
	struct model *model = backend->model;
	struct backend *other =
		before->backend < LB_MAX_BACKENDS ? model->by_id[before->backend] : NULL;
	int err = datapath_set_backend_id(model->dp, &backend->endpoint, before);

	if (!err || !other)
		return;
	other->owes_id = true;
	owed_later(model);
}

/* It leaves, as it did before it was to come back. */
static void leave_again(struct backend *backend, const struct apply_before *before)
{
	struct model *model = backend->model;
	int err = before->has_id ? 0 : owed_hide(model, backend->id, &backend->endpoint);

	backend->is_published = false;
	if (!err)
		err = datapath_set_backend(model->dp, backend->id, &before->value);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (!before->has_listener[is_v6])
			datapath_remove_listener(model->dp, backend->id, is_v6);
	if (!err)
		return;
	backend->owes_value = true;
	owed_later(model);
}

void apply_backend_taken_back(struct backend *backend, const struct apply_before *before)
{
	if (!before->is_known)
		return;
	if (before->value.generation == backend->generation)
		leave_again(backend, before);
	if (before->has_id)
		give_back_id(backend, &before->id);
	if (before->value.generation == backend->generation)
		return;
	/* Where that fails its generation has been nobody's. */
	datapath_set_backend(backend->model->dp, backend->id, &before->value);
	forget_all(backend);
}

/* Whoever was given its listening socket has it still, but no connection any more. */
int apply_end_worker(struct backend *backend)
{
	struct datapath *dp = backend->model->dp;
	int err = backend->group ? datapath_set_worker(dp, backend->group, NULL) : 0;

	if (!err)
		backend->group = 0;
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (worker_listener(backend->worker, is_v6) < 0) {
			int one = datapath_remove_listener(dp, backend->id, is_v6);

			err = err ? err : one;
		}
	backend->owes_end = err != 0;
	return err;
}

/* What is left of the process before would be taken for this one's: that goes first. */
int apply_worker(struct backend *backend)
{
	uint64_t group = worker_group(backend->worker);
	bool fuse = backend->pool->conf->worker->fuse;
	struct lb_worker value = {.endpoint = backend->endpoint,
				  .backend = backend->id,
				  .flags = fuse ? LB_WORKER_FUSE : 0};
	int err = backend->owes_end ? apply_end_worker(backend) : 0;

	if (!err && group)
		err = datapath_set_worker(backend->model->dp, group, &value);
	if (!err)
		backend->group = group;
	return err;
}

void apply_worker_ended(struct backend *backend)
{
	int err = apply_end_worker(backend);

	if (!err)
		return;
	log_error("%s: cannot take what its process has left out of the kernel side: %s; trying "
		  "again, and no other is started before",
		  backend->name, strerror(-err));
	owed_later(backend->model);
}

/* Where that fails, a listener that comes there meanwhile is one's that is not chosen, until it is removed. */
void apply_backend_hidden(struct backend *backend)
{
	owed_hide(backend->model, backend->id, &backend->endpoint);
}

void apply_backend_removed(struct backend *backend)
{
	forget_all(backend);
}

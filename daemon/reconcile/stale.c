/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/stale.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "datapath/datapath.h"
#include "worker/worker.h"

struct stale_keys {
	struct model *model;
	struct lb_endpoint *keys;
	size_t count, room;
};

static void collect(void *arg, const struct lb_endpoint *key, const struct lb_backend_id *value)
{
	struct stale_keys *stale = arg;

	if (value->backend < LB_MAX_BACKENDS && stale->model->by_id[value->backend])
		return;
	if (stale->count < stale->room)
		stale->keys[stale->count++] = *key;
}

static void remove_keys(struct model *model)
{
	struct stale_keys stale = {.model = model, .room = LB_MAX_BACKENDS};

	stale.keys = calloc(stale.room, sizeof(*stale.keys));
	if (!stale.keys)
		return;
	datapath_each_backend_id(model->dp, collect, &stale);
	for (size_t i = 0; i < stale.count; i++)
		datapath_set_backend_id(model->dp, &stale.keys[i], NULL);
	free(stale.keys);
}

/* Of processes that have ended while no lbd was there. */
static void forget_group(void *arg, uint64_t group, const struct lb_worker *value)
{
	struct model *model = arg;
	const struct backend *backend =
		value->backend < LB_MAX_BACKENDS ? model->by_id[value->backend] : NULL;

	if (!backend || backend->group != group)
		datapath_set_worker(model->dp, group, NULL);
}

static void disable_backends(struct model *model)
{
	for (int id = 0; id < LB_MAX_BACKENDS; id++) {
		struct lb_backend value;

		if (model->by_id[id] || datapath_get_backend(model->dp, (uint16_t)id, &value) ||
		    !(value.flags & LB_BACKEND_ENABLED))
			continue;
		value.flags = 0;
		datapath_set_backend(model->dp, (uint16_t)id, &value);
	}
}

static void empty_pools(struct model *model)
{
	static const struct lb_pool empty;
	bool used[LB_MAX_SERVICES] = {false};

	for (size_t i = 0; i < model->pool_count; i++)
		used[model->pools[i]->id] = true;
	for (int id = 0; id < LB_MAX_SERVICES; id++)
		if (!used[id])
			datapath_set_pool(model->dp, (uint16_t)id, &empty);
}

static void end_workers(struct model *model)
{
	const char **keep = calloc(LB_MAX_BACKENDS + 1, sizeof(*keep));
	size_t count = 0;
	int err;

	if (!keep)
		return;
	for (int id = 0; id < LB_MAX_BACKENDS; id++)
		if (model->by_id[id] && model->by_id[id]->worker)
			keep[count++] = model->by_id[id]->name;
	err = worker_sweep(model->host, keep);
	if (err)
		log_warning("workers of an lbd before this one cannot be looked for: %s; those "
			    "that are "
			    "configured no more run on until the next start of lbd",
			    strerror(-err));
	free(keep);
}

/* Where that fails, they take room until the next start: nothing reads them. */
static void remove_unfinished(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *opened = opendir(dir);

	while (opened && (entry = readdir(opened))) {
		size_t length = strlen(entry->d_name);

		if (length < 4 || strcmp(entry->d_name + length - 4, ".new"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
	}
	if (opened)
		closedir(opened);
}

void stale_remove_files(const char *run_dir)
{
	char below[PATH_MAX];

	remove_unfinished(run_dir);
	snprintf(below, sizeof(below), "%s/workers", run_dir);
	remove_unfinished(below);
	snprintf(below, sizeof(below), "%s/leaving", run_dir);
	remove_unfinished(below);
	snprintf(below, sizeof(below), "%s/output", run_dir);
	remove_unfinished(below);
}

void stale_remove(struct model *model)
{
	remove_keys(model);
	datapath_each_worker(model->dp, forget_group, model);
	disable_backends(model);
	empty_pools(model);
	end_workers(model);
}

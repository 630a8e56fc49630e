/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/stale.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/owed.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "worker/worker.h"

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
	owed_forget_stale(model);
	empty_pools(model);
	end_workers(model);
}

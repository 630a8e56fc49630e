/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's control group, and what is in those of its processes before. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/cgroup/cgroup.h"
#include "host/spawn/remains.h"
#include "worker/limits.h"
#include "worker/private.h"

enum { MAX_REMAINS = 8 };

void worker_end_cgroup(const struct worker_host *host, const char *name, char *dir)
{
	cgroup_unmark(dir);
	remains_group(host->event, name, dir, 1);
}

void worker_leave_cgroup(struct worker *worker)
{
	if (worker->cgroup)
		worker_end_cgroup(worker->host, worker->name, worker->cgroup);
	worker->cgroup = NULL;
}

int worker_make_cgroup(struct worker *worker, struct error *error)
{
	int err;

	worker_leave_cgroup(worker);
	if (!worker->host->cgroup)
		return 0;
	err = cgroup_make(worker->host->cgroup, worker->name, &worker->cgroup);
	if (err == -EBUSY)
		return error_set(error, err,
				 "cgroup %s/%s: processes of earlier runs have not gone from it, "
				 "nor from %s~1 to ~%d: end them, or who holds them",
				 worker->host->cgroup, worker->name, worker->name,
				 CGROUP_NAMES - 1);
	if (err)
		return error_set(error, err, "cgroup %s/%s: %s", worker->host->cgroup, worker->name,
				 strerror(-err));
	return 0;
}

/* Not a reason not to run: said once. */
void worker_set_limits(struct worker *worker)
{
	bool is_said = worker->limits_note;
	struct error error;
	int err = worker_limits_set(&worker->conf->limits, worker->cgroup, &error);

	free(worker->limits_note);
	worker->limits_note = err ? strdup(error.text) : NULL;
	if (err && !is_said)
		log_warning("worker %s: limit %s", worker->name, error.text);
}

/* DANGER: each costs lbd a descriptor, a group or a process number for as long as its user likes. */
int worker_check_remains(const struct worker *worker, struct error *error)
{
	unsigned count = remains_count(worker->name);
	char text[REMAINS_TEXT_BYTES];

	if (count < MAX_REMAINS)
		return 0;
	return error_set(error, -EBUSY,
			 "%u processes and control groups of its earlier runs have not gone, "
			 "allowed are %d; one is %s: end it, or who holds it",
			 count, MAX_REMAINS - 1, remains_describe(worker->name, text));
}

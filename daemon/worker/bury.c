/* SPDX-License-Identifier: Apache-2.0 */
/* Ends what processes have left that ended while no lbd was there.  Before the event loop runs: it waits. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "host/spawn/remains.h"
#include "worker/private.h"

enum { BURY_TIMEOUT_MS = 1000, BURY_PAUSE_MS = 5 };

/* Without a cgroup nothing tells of the end: looks again, for a bounded time. */
static void bury_session(const struct record *record)
{
	const struct timespec pause = {.tv_nsec = BURY_PAUSE_MS * 1000000};

	for (int ms = 0; ms < BURY_TIMEOUT_MS; ms += BURY_PAUSE_MS) {
		if (!process_signal_session(record->pid, record->start_ticks, SIGKILL))
			return;
		nanosleep(&pause, NULL);
	}
}

/* What does not end in time ends later: no process begins in it. */
static void bury_group(const struct worker_host *host, const char *name, const char *dir,
		       uint64_t until_us)
{
	uint64_t now_us = clock_us();
	char *taken = strdup(dir);

	cgroup_kill_all(dir, now_us < until_us ? (int)((until_us - now_us) / 1000) : 0);
	if (taken)
		worker_end_cgroup(host, name, taken);
}

/* The n-th group of that worker's name, if it is there, and not that of a process which is taken back. */
static bool find_group(const struct worker_host *host, const char *name, unsigned n,
		       const struct record *alive, char path[PATH_MAX])
{
	if (!host->cgroup || cgroup_nth(host->cgroup, name, n, path) || access(path, F_OK))
		return false;
	return !alive || (strcmp(path, alive->cgroup) != 0 && !cgroup_holds(path, alive->pid));
}

/* All are killed first: what one of them takes to end is not the others' time. */
void worker_bury_groups(const struct worker_host *host, const char *name,
			const struct record *alive)
{
	uint64_t until_us = clock_us() + BURY_TIMEOUT_MS * 1000ULL;
	char path[PATH_MAX];

	for (unsigned n = 0; n < CGROUP_NAMES; n++)
		if (find_group(host, name, n, alive, path))
			cgroup_kill(path);
	for (unsigned n = 0; n < CGROUP_NAMES; n++)
		if (find_group(host, name, n, alive, path))
			bury_group(host, name, path, until_us);
}

/* Where lbd ran in another group then, its workers' groups are there. */
static bool is_elsewhere(const struct worker_host *host, const char *dir)
{
	size_t length = host->cgroup ? strlen(host->cgroup) : 0;

	return !length || strncmp(dir, host->cgroup, length) != 0 || dir[length] != '/';
}

/* The recorded process has ended while nobody looked: ends what it left behind. */
void worker_bury(const struct worker_host *host, const char *name, const struct record *record)
{
	worker_bury_groups(host, name, NULL);
	if (*record->cgroup && is_elsewhere(host, record->cgroup)) {
		cgroup_kill(record->cgroup);
		bury_group(host, name, record->cgroup, clock_us() + BURY_TIMEOUT_MS * 1000ULL);
	}
	if (!*record->cgroup && !record_reused(record))
		bury_session(record);
	worker_reclaim_recorded(name, record);
	waitpid(record->pid, NULL, WNOHANG); /* ours, after a change of program in place */
	record_remove(host->run_dir, name);
	worker_remove_notify(host, name);
	worker_remove_outputs(host, name);
}

/* A group that nothing says of who is in it: a hook, or a child that had not come to be a worker. */
void worker_bury_unknown(const struct worker_host *host, const char *name)
{
	record_remove(host->run_dir, name);
	worker_remove_notify(host, name);
	worker_remove_outputs(host, name);
	worker_bury_groups(host, name, NULL);
}

struct sweep {
	const struct worker_host *host;
	const char *const *keep;
};

static void sweep_one(void *arg, const char *name)
{
	const struct sweep *sweep = arg;
	struct record record;
	int err;

	for (const char *const *keep = sweep->keep; *keep; keep++)
		if (!strcmp(*keep, name))
			return;
	err = record_read(sweep->host->run_dir, sweep->host->cgroup, name, &record);
	if (err && err != -ENOENT && err != -EINVAL) {
		log_warning("worker %s: left alone: its record %s", name,
			    err == -EPROTO ? "was written by a newer lbd" : "cannot be read now");
		return;
	}
	if (err) {
		worker_bury_unknown(sweep->host, name);
		return;
	}
	if (record_alive(&record) > 0)
		kill(record.pid, SIGKILL);
	worker_bury(sweep->host, name, &record);
}

static void sweep_group(void *arg, const char *group)
{
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)cgroup_stem(group), group);
	/* If some of it is left, that has been killed and is watched already. */
	if (!remains_count(name))
		sweep_one(arg, name);
}

int worker_sweep(const struct worker_host *host, const char *const *keep)
{
	struct sweep sweep = {host, keep};
	int err = record_each(host->run_dir, sweep_one, &sweep);

	if (host->cgroup) {
		int groups = cgroup_each(host->cgroup, sweep_group, &sweep);

		err = err ? err : groups;
	}
	return err;
}

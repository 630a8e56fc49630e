/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says of itself: ready, stopping, alive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "log.h"
#include "notify.h"
#include "own_dir.h"
#include "process.h"
#include "worker_private.h"

enum {
	NOTIFY_PATH_BYTES = 512,
	HUNG_LOOK_US = 1000 * 1000, /* whether one that hangs may be restarted by now */
};

static bool is_of(const struct worker *worker, pid_t sender)
{
	struct process_stat stat;

	if (sender == worker->pid)
		return true;
	if (worker->cgroup)
		return cgroup_holds(worker->cgroup, sender);
	return !process_stat(sender, &stat) && stat.session == worker->record.pid;
}

static int on_silent(sd_event_source *source, uint64_t now, void *arg);

static void hung(struct worker *worker)
{
	worker->is_overdue = true;
	if (!worker->ops->hung(worker->arg))
		worker_timer(worker, &worker->watchdog_timer, HUNG_LOOK_US, on_silent);
}

/* DANGER: all workers of a pool may be silent for one reason that is not theirs. */
static int on_silent(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
	if (worker->pidfd < 0)
		return 0;
	if (worker->may_be_unheard) {
		worker->is_overdue = true;
		worker->ops->unheard(worker->arg);
	} else {
		hung(worker);
	}
	return 0;
}

static void arm_watchdog(struct worker *worker)
{
	if (worker->conf->watchdog_ms && !worker->stopping)
		worker_timer(worker, &worker->watchdog_timer, worker->conf->watchdog_ms * 1000ull,
			     on_silent);
}

static void pat_watchdog(struct worker *worker)
{
	bool was_overdue = worker->is_overdue;

	worker->is_overdue = false;
	arm_watchdog(worker);
	if (was_overdue)
		worker->ops->heard(worker->arg);
}

static void note_ready(struct worker *worker)
{
	if (worker->record.ready)
		return;
	worker->record.ready = true;
	if (record_write(worker->host->run_dir, worker->name, &worker->record))
		log_warning("worker %s: its record cannot be written: a later lbd will not know "
			    "that it is ready",
			    worker->name);
	pat_watchdog(worker);
	if (worker->ops->ready)
		worker->ops->ready(worker->arg);
}

/* Each branch ends with its call: it may free the worker. */
static void on_message(void *arg, pid_t sender, const char *name, const char *value)
{
	struct worker *worker = arg;

	if (worker->pidfd < 0 || !is_of(worker, sender))
		return;
	worker->may_be_unheard = false;
	if (!strcmp(name, "STATUS")) {
		snprintf(worker->status, sizeof(worker->status), "%s", value);
	} else if (!strcmp(name, "WATCHDOG") && !strcmp(value, "1")) {
		pat_watchdog(worker);
	} else if (!strcmp(name, "WATCHDOG") && !strcmp(value, "trigger")) {
		hung(worker);
	} else if (!strcmp(name, "READY") && !strcmp(value, "1")) {
		note_ready(worker);
	} else if (!strcmp(name, "STOPPING") && !strcmp(value, "1")) {
		worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
		if (worker->ops->stopping)
			worker->ops->stopping(worker->arg);
	}
}

static void path_of(const struct worker_host *host, const char *name, char path[NOTIFY_PATH_BYTES])
{
	snprintf(path, NOTIFY_PATH_BYTES, "%s/notify/%s", host->run_dir, name);
}

void worker_remove_notify(const struct worker_host *host, const char *name)
{
	char path[NOTIFY_PATH_BYTES];

	path_of(host, name, path);
	unlink(path);
}

static int listen_for(struct worker *worker, uid_t user)
{
	char path[NOTIFY_PATH_BYTES];

	*worker->status = 0;
	snprintf(path, sizeof(path), "%s/notify", worker->host->run_dir);
	own_dir_make(path);
	path_of(worker->host, worker->name, path);
	notify_free(worker->notify);
	worker->notify = NULL;
	free(worker->notify_path);
	worker->notify_path = strdup(path);
	if (!worker->notify_path)
		return -ENOMEM;
	return notify_new(worker->host->event, path, user, on_message, worker, &worker->notify);
}

int worker_listen_notify(struct worker *worker)
{
	worker->may_be_unheard = worker->is_overdue = false;
	return listen_for(worker, worker->log_user);
}

/*
 * A program that connects to its socket once, as python3-sdnotify does, is refused (ECONNREFUSED) from the end of
 * that socket on, and few say so: its watchdog counts from the first word on that is heard.
 */
int worker_listen_anew(struct worker *worker)
{
	bool counts = worker->watchdog_timer || worker->is_overdue;
	char status[sizeof(worker->status)];
	int err;

	memcpy(status, worker->status, sizeof(status));
	err = listen_for(worker, worker->log_user);
	memcpy(worker->status, status, sizeof(status));
	worker->may_be_unheard = true;
	if (counts)
		arm_watchdog(worker);
	return err;
}

void worker_forget_notify(struct worker *worker)
{
	notify_remove(worker->notify, worker->notify_path);
	notify_free(worker->notify);
	worker->notify = NULL;
}

static int on_adopted_ready(sd_event_source *source, void *arg)
{
	struct worker *worker = arg;

	(void)source;
	worker->ready_source = sd_event_source_disable_unref(worker->ready_source);
	if (worker->ops->ready)
		worker->ops->ready(worker->arg);
	return 0;
}

/* It said so to an earlier lbd; the callback comes from the loop, not from within worker_take_back(). */
int worker_resume_notify(struct worker *worker)
{
	char path[NOTIFY_PATH_BYTES];
	struct stat before;
	int err;

	/* Its user, whatever the configuration says by now. */
	path_of(worker->host, worker->name, path);
	if (lstat(path, &before))
		before.st_uid = worker->log_user;
	err = listen_for(worker, before.st_uid);
	worker->may_be_unheard = true;
	if (err || !worker->record.ready)
		return err;
	arm_watchdog(worker);
	err = sd_event_add_defer(worker->host->event, &worker->ready_source, on_adopted_ready,
				 worker);
	return err < 0 ? err : 0;
}

void worker_stop_watchdog(struct worker *worker)
{
	worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
	worker->ready_source = sd_event_source_disable_unref(worker->ready_source);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says of itself: ready, stopping, alive. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own_dir.h"
#include "host/net/notify.h"
#include "host/process/stranger.h"
#include "keeper/kept_notify.h"
#include "worker/private.h"

enum {
	NOTIFY_PATH_BYTES = 512,
	HUNG_LOOK_US = 1000 * 1000, /* whether one that hangs may be restarted by now */
};

static int on_silent(sd_event_source *source, uint64_t now, void *arg);

static void notify_hung(struct worker *worker)
{
	worker->is_overdue = true;
	if (!worker->ops->hung(worker->arg))
		clock_arm_anew(worker->host->event, &worker->watchdog_timer, HUNG_LOOK_US,
			       CLOCK_SLACK_US, on_silent, worker);
}

/* DANGER: all workers of a pool may be silent for one reason that is not theirs. */
static int on_silent(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
	if (worker->pidfd < 0)
		return 0;
	if (worker->record.unheard) {
		worker->is_overdue = true;
		worker->ops->unheard(worker->arg);
	} else {
		notify_hung(worker);
	}
	return 0;
}

static void arm_watchdog(struct worker *worker)
{
	if (worker->conf->watchdog_ms && !worker->stopping)
		clock_arm_anew(worker->host->event, &worker->watchdog_timer,
			       worker->conf->watchdog_ms * 1000ull, CLOCK_SLACK_US, on_silent,
			       worker);
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
static void take_word(struct worker *worker, const char *name, const char *value)
{
	if (!strcmp(name, "STATUS")) {
		snprintf(worker->status, sizeof(worker->status), "%s", value);
	} else if (!strcmp(name, "WATCHDOG") && !strcmp(value, "1")) {
		pat_watchdog(worker);
	} else if (!strcmp(name, "WATCHDOG") && !strcmp(value, "trigger")) {
		notify_hung(worker);
	} else if (!strcmp(name, "READY") && !strcmp(value, "1")) {
		note_ready(worker);
	} else if (!strcmp(name, "STOPPING") && !strcmp(value, "1")) {
		worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
		if (worker->ops->stopping)
			worker->ops->stopping(worker->arg);
	}
}

/* Until then its silence tells nothing; nor does it to a later lbd, to which the same socket is handed on. */
static void set_unheard(struct worker *worker, bool unheard)
{
	if (worker->record.unheard == unheard)
		return;
	worker->record.unheard = unheard;
	if (worker->conf->watchdog_ms &&
	    record_write(worker->host->run_dir, worker->name, &worker->record))
		log_warning("worker %s: its record cannot be written: a later lbd will not know "
			    "whether it can be heard",
			    worker->name);
}

static void on_message(void *arg, pid_t sender, const char *name, const char *value)
{
	struct worker *worker = arg;

	if (worker->pidfd < 0 || !notify_is_of(worker->pid, worker->cgroup, sender))
		return;
	set_unheard(worker, false);
	take_word(worker, name, value);
}

/* What it has said while no lbd was there tells nothing of the socket that it has now. */
static void on_replayed(void *arg, pid_t sender, const char *name, const char *value)
{
	struct worker *worker = arg;

	(void)sender;
	if (worker->pidfd >= 0)
		take_word(worker, name, value);
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

/* The socket that it had is given up. */
static int set_path(struct worker *worker)
{
	char path[NOTIFY_PATH_BYTES];

	*worker->status = 0;
	snprintf(path, sizeof(path), "%s/notify", worker->host->run_dir);
	own_dir_make(path);
	path_of(worker->host, worker->name, path);
	worker_unkeep_notify(worker);
	notify_free(worker->notify);
	worker->notify = NULL;
	free(worker->notify_path);
	worker->notify_path = strdup(path);
	return worker->notify_path ? 0 : -ENOMEM;
}

static int listen_for(struct worker *worker, uid_t user)
{
	int err = set_path(worker);

	return err ? err
		   : notify_new(worker->host->event, worker->notify_path, user, on_message, worker,
				&worker->notify);
}

/* The one that the keeper has had since it was bound; -errno: there is none. */
static int listen_on(struct worker *worker, uid_t user)
{
	int fd = kept_notify_take(worker->host->given, worker->name, worker->pid, &worker->said);
	int err = fd < 0 ? -ENOENT : set_path(worker);

	if (!err)
		err = notify_adopt(worker->host->event, fd, worker->notify_path, user, on_message,
				   worker, &worker->notify);
	if (err && fd >= 0)
		stranger_close(fd, user);
	return err;
}

int worker_listen_notify(struct worker *worker)
{
	worker->is_overdue = false;
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
	set_unheard(worker, true);
	if (counts)
		arm_watchdog(worker);
	worker_keep_notify(worker);
	return err;
}

/* Without `ready notify` nothing hangs on what it says. */
void worker_keep_notify(struct worker *worker)
{
	struct stat st;

	if (!worker->notify || worker->conf->readiness != READY_NOTIFY ||
	    stat(worker->notify_path, &st))
		return;
	worker->notify_kept = keeper_add_notify(
		worker->host->keeper, notify_fd(worker->notify), worker->pidfd,
		kept_notify_print(&(struct kept_notify){st.st_uid, worker->pid, worker->name,
							worker->cgroup ? worker->cgroup : ""}));
}

void worker_unkeep_notify(struct worker *worker)
{
	keeper_done(worker->notify_kept);
	worker->notify_kept = NULL;
}

void worker_forget_notify(struct worker *worker)
{
	worker_unkeep_notify(worker);
	notify_remove(worker->notify, worker->notify_path);
	notify_free(worker->notify);
	worker->notify = NULL;
}

void worker_free_notify(struct worker *worker)
{
	if (!worker->pid)
		notify_remove(worker->notify, worker->notify_path);
	if (worker->notify_kept)
		notify_leave(worker->notify);
	else
		notify_free(worker->notify);
	keeper_drop(worker->notify_kept);
	free(worker->notify_path);
	free(worker->said);
}

static int on_said(sd_event_source *source, void *arg)
{
	struct worker *worker = arg;
	char *said = worker->said;

	(void)source;
	worker->said_source = sd_event_source_disable_unref(worker->said_source);
	worker->said = NULL;
	if (worker->notify)
		notify_replay(worker->notify, worker->pid, said, on_replayed);
	free(said);
	return 0;
}

static int replay_soon(struct worker *worker)
{
	if (!worker->said)
		return 0;
	return sd_event_add_defer(worker->host->event, &worker->said_source, on_said, worker);
}

static int on_adopted_ready(sd_event_source *source, void *arg)
{
	struct worker *worker = arg;

	(void)source;
	worker->ready_source = sd_event_source_disable_unref(worker->ready_source);
	replay_soon(worker);
	/* The last thing: it may free this worker. */
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
	if (listen_on(worker, before.st_uid)) {
		set_unheard(worker, true);
		err = listen_for(worker, before.st_uid);
		if (err)
			return err;
	}
	worker_keep_notify(worker);
	if (!worker->record.ready) {
		err = replay_soon(worker);
		return err < 0 ? err : 0;
	}
	arm_watchdog(worker);
	err = sd_event_add_defer(worker->host->event, &worker->ready_source, on_adopted_ready,
				 worker);
	return err < 0 ? err : 0;
}

void worker_stop_watchdog(struct worker *worker)
{
	worker->watchdog_timer = sd_event_source_disable_unref(worker->watchdog_timer);
	worker->ready_source = sd_event_source_disable_unref(worker->ready_source);
	worker->said_source = sd_event_source_disable_unref(worker->said_source);
}

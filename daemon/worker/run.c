/* SPDX-License-Identifier: Apache-2.0 */
/* From `start` to a running program. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/own_dir.h"
#include "host/cgroup/cgroup.h"
#include "host/net/inherit.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "worker/private.h"

/* An absolute path as it is; else below the directory of logs, NAME.log by default. */
static char *log_path(const struct worker *worker, const struct conf_output *conf,
		      const char *suffix)
{
	const struct launch_name *name = &worker->launch_name;
	char *expanded = NULL, *path = NULL;

	if (!conf->path) {
		if (asprintf(&path, "%s/%s%s", worker->conf->log_directory, worker->name, suffix) <
		    0)
			path = NULL;
		return path;
	}
	expanded = conf_expand(conf->path, name->pool, name->port, name->index);
	if (!expanded || *expanded == '/')
		return expanded;
	if (asprintf(&path, "%s/%s", worker->conf->log_directory, expanded) < 0)
		path = NULL;
	free(expanded);
	return path;
}

static int open_output(struct worker *worker, const struct conf_output *conf, bool is_err,
		       bool adopt, struct error *error)
{
	struct output **output = is_err ? &worker->err : &worker->out;
	char **path = is_err ? &worker->err_path : &worker->log_path;
	char fifo[512];

	*path = log_path(worker, conf, is_err ? ".err.log" : ".log");
	if (!*path)
		return error_set(error, -ENOMEM, "log of %s: out of memory", worker->name);
	snprintf(fifo, sizeof(fifo), "%s/output/%s%s", worker->host->run_dir, worker->name,
		 is_err ? ".err" : ".out");
	return output_new(worker->host->event, worker->host->keeper, conf,
			  &(struct output_target){worker->name, *path, fifo, is_err,
						  worker->log_user},
			  adopt ? worker->pid : 0, output, error);
}

/*
 * What is wrong with it shows when a file is opened.  One that is there is a person's, and left as it is; mkdir(2)
 * would wait for the lock of the directory above all the same, which others may hold, see own_dir.h.
 */
static void make_log_directory(const char *path)
{
	if (access(path, F_OK) && errno == ENOENT)
		mkdir(path, 0711);
}

int worker_open_outputs(struct worker *worker, bool adopt, struct error *error)
{
	char dir[512];
	int err;

	worker_close_outputs(worker);
	err = account_uid(worker->conf->user, &worker->log_user, error);
	/* It runs as a user who has gone since. */
	if (err && adopt)
		err = process_user(worker->pid, &worker->log_user, NULL);
	if (err)
		return err;
	make_log_directory(worker->conf->log_directory);
	snprintf(dir, sizeof(dir), "%s/output", worker->host->run_dir);
	own_dir_make(dir);
	err = open_output(worker, &worker->conf->stdout_log, false, adopt, error);
	if (!err && !worker->conf->merge_stderr)
		err = open_output(worker, &worker->conf->stderr_log, true, adopt, error);
	if (!err && !adopt)
		worker->log_mark = tail_mark(worker->log_path, worker->log_user);
	if (!err && !adopt && worker->err_path)
		worker->err_mark = tail_mark(worker->err_path, worker->log_user);
	return err;
}

void worker_remove_outputs(const struct worker_host *host, const char *name)
{
	char path[512];

	for (int is_err = 0; is_err < 2; is_err++) {
		snprintf(path, sizeof(path), "%s/output/%s%s", host->run_dir, name,
			 is_err ? ".err" : ".out");
		output_forget(host->keeper, path);
	}
}

void worker_close_outputs(struct worker *worker)
{
	output_free(worker->out);
	output_free(worker->err);
	free(worker->log_path);
	free(worker->err_path);
	worker->out = worker->err = NULL;
	worker->log_path = worker->err_path = NULL;
}

static int open_streams(struct worker *worker, struct spawn *spawn, struct error *error)
{
	int err = worker_open_outputs(worker, false, error);

	if (err)
		return err;
	spawn->out = output_open(worker->out, error);
	if (spawn->out < 0)
		return spawn->out;
	if (!worker->err) {
		spawn->err = spawn->out;
		return 0;
	}
	spawn->err = output_open(worker->err, error);
	return spawn->err < 0 ? spawn->err : 0;
}

static void close_streams(struct spawn *spawn)
{
	if (spawn->err >= 0 && spawn->err != spawn->out)
		close(spawn->err);
	if (spawn->out >= 0)
		close(spawn->out);
	spawn->out = spawn->err = -1;
}

/* Kept from one process to the next, with the connections that wait in them. */
static int open_listeners(struct worker *worker, struct launch *launch, struct error *error)
{
	struct spawn *spawn = &launch->spawn;
	int err, *fds = worker->listeners;

	worker_drop_listeners(worker);
	if (!worker->conf->inherit)
		return 0;
	err = worker_prepare_listeners(worker, error);
	if (err)
		return err;
	for (int i = 0; i < 2; i++)
		if (fds[i] >= 0 && !(i && fds[1] == fds[0]))
			spawn->listeners[spawn->listener_count++] = fds[i];
	err = launch_add_listeners(&worker->launch_name, launch);
	return err ? error_set(error, err, "environment: out of memory") : 0;
}

static int open_notify(struct worker *worker, struct launch *launch, struct error *error)
{
	const struct conf_worker *conf = worker->conf;
	int err = worker_listen_notify(worker);

	/* Without `ready notify` it is an offer, not a need. */
	if (err && conf->readiness != READY_NOTIFY)
		return 0;
	if (!err)
		err = launch_add_notify(worker->notify_path, conf->watchdog_ms, launch);
	if (err)
		return error_set(error, err, "notify socket %s: %s", worker->notify_path,
				 strerror(-err));
	return 0;
}

static int prepare(struct worker *worker, struct launch *launch, struct error *error)
{
	const struct conf_worker *conf = worker->conf;
	int err = launch_build(conf, &worker->launch_name, conf->command, NULL, launch, error);

	worker->past.tried_settings = conf->fingerprint;
	worker->past.tried_files = worker->past.files_seen = launch->files;
	if (!err)
		err = launch_add_hook(conf, &worker->launch_name, launch, error);
	if (!err)
		err = open_streams(worker, &launch->spawn, error);
	if (!err)
		err = open_listeners(worker, launch, error);
	if (!err)
		err = open_notify(worker, launch, error);
	if (!err)
		err = worker_make_cgroup(worker, error);
	if (!err)
		worker_set_limits(worker);
	launch->spawn.cgroup = worker->cgroup;
	return err;
}

/* Written before the child may go on: whatever happens from here on, a later lbd knows of it. */
static int record(struct worker *worker, const struct launch *launch, struct error *error)
{
	int err;

	worker->record = (struct record){.pid = worker->child.pid,
					 .settings = worker->conf->fingerprint,
					 .files = launch->files};
	snprintf(worker->record.cgroup, sizeof(worker->record.cgroup), "%s",
		 worker->cgroup ? worker->cgroup : "");
	for (int i = 0; i < 2; i++)
		worker->record.listen_inodes[i] = inherit_inode(worker->listeners[i]);
	worker->listener_user = worker->log_user;
	worker->listener_settings = worker->record.settings;
	worker->record.log_mark = worker->log_mark;
	worker->record.err_mark = worker->err_mark;
	err = record_identify(&worker->record);
	if (!err)
		err = record_write(worker->host->run_dir, worker->name, &worker->record);
	if (err)
		return error_set(error, err, "record %s/workers/%s: %s", worker->host->run_dir,
				 worker->name, strerror(-err));
	return 0;
}

void worker_forget_pending(struct worker *worker)
{
	worker->report_source = sd_event_source_disable_unref(worker->report_source);
	if (worker->pending)
		launch_clear(worker->pending);
	free(worker->pending);
	worker->pending = NULL;
	if (worker->child.report >= 0)
		close(worker->child.report);
	worker->child.report = -1;
}

void worker_settle_pending(struct worker *worker)
{
	struct error error;
	int err;

	if (!worker->pending)
		return;
	/* Before the descriptor is closed: while a sibling that has not come to exec holds a copy of it,
	 * epoll would go on telling of a source that is no more. */
	worker->report_source = sd_event_source_disable_unref(worker->report_source);
	err = spawn_result(&worker->pending->spawn, &worker->child, 0, &error);
	if (err)
		snprintf(worker->not_run, sizeof(worker->not_run), "%s", error.text);
	worker_forget_pending(worker);
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)fd, (void)events;
	worker_settle_pending(worker);
	/* The last thing: it may end this worker.  Where the program does not run, its exit follows. */
	if (!*worker->not_run && worker->ops->runs)
		worker->ops->runs(worker->arg);
	return 0;
}

/*
 * That the child has come to exec, or never will, is heard in the loop; launch is taken over.  Never waited
 * for: a hook, a lease on the program's file (fcntl(2)) or a SIGSTOP of the worker's user can hold it up.
 */
static int await(struct worker *worker, struct launch *launch, struct error *error)
{
	int err;

	worker->pending = malloc(sizeof(*launch));
	if (!worker->pending)
		return error_set(error, -ENOMEM, "worker %s: out of memory", worker->name);
	*worker->pending = *launch;
	*launch = (struct launch){.spawn = {.out = -1, .err = -1}};
	err = sd_event_add_io(worker->host->event, &worker->report_source, worker->child.report,
			      EPOLLIN, on_report, worker);
	return err < 0 ? error_set(error, err, "worker %s: %s", worker->name, strerror(-err)) : 0;
}

static int watch(struct worker *worker, struct error *error)
{
	int err;

	worker->pid = worker->child.pid;
	worker->pidfd = worker->child.pidfd;
	worker->child.pidfd = -1;
	worker->adopted = worker->stopping = false;
	worker->started_us = process_started_us(worker->record.start_ticks);
	err = worker_watch(worker);
	if (!err)
		return 0;
	worker->child.pidfd = worker->pidfd;
	worker->pidfd = -1;
	worker->pid = 0;
	return error_set(error, err, "worker %s: %s", worker->name, strerror(-err));
}

/* All that can fail comes before the child goes on: from then on it may be its user's to hold. */
static int start(struct worker *worker, struct launch *launch, struct error *error)
{
	int err = spawn_fork(&launch->spawn, &worker->child, error);

	if (err)
		return err;
	close_streams(&launch->spawn);
	err = record(worker, launch, error);
	worker->group = worker->cgroup ? cgroup_id(worker->cgroup) : 0;
	if (!err && worker->ops->placed && (err = worker->ops->placed(worker->arg)))
		error_set(error, err, "cannot be made known to the kernel side: %s",
			  strerror(-err));
	if (!err)
		err = await(worker, launch, error);
	if (!err)
		err = watch(worker, error);
	if (err)
		return err;
	worker_keep_notify(worker);
	spawn_go(&worker->child);
	return 0;
}

int worker_spawn(struct worker *worker, struct error *error)
{
	struct launch launch = {.spawn = {.out = -1, .err = -1}};
	int err;

	if (worker->pid)
		return error_set(error, -EALREADY, "worker %s: runs already, pid %d", worker->name,
				 worker->pid);
	worker->not_run[0] = 0;
	err = worker_check_remains(worker, error);
	if (err)
		return err;
	err = prepare(worker, &launch, error);
	if (!err)
		err = start(worker, &launch, error);
	close_streams(&launch.spawn);
	launch_clear(&launch);
	if (!err)
		return 0;
	worker_forget_pending(worker);
	spawn_abandon(&worker->child);
	worker->group = 0;
	output_end(worker->out);
	output_end(worker->err);
	worker_forget_notify(worker);
	record_remove(worker->host->run_dir, worker->name);
	worker_leave_cgroup(worker);
	return err;
}

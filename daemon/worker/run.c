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

static int prepare_launch(struct worker *worker, struct launch *launch, struct error *error)
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
static int record_child(struct worker *worker, const struct launch *launch, struct error *error)
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

static int watch_child(struct worker *worker, struct error *error)
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
static int start_program(struct worker *worker, struct launch *launch, struct error *error)
{
	int err = spawn_fork(&launch->spawn, &worker->child, error);

	if (err)
		return err;
	close_streams(&launch->spawn);
	err = record_child(worker, launch, error);
	worker->group = worker->cgroup ? cgroup_id(worker->cgroup) : 0;
	if (!err && worker->ops->placed && (err = worker->ops->placed(worker->arg)))
		error_set(error, err, "cannot be made known to the kernel side: %s",
			  strerror(-err));
	if (!err)
		err = worker_await_program(worker, launch, error);
	if (!err)
		err = watch_child(worker, error);
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
	err = prepare_launch(worker, &launch, error);
	if (!err)
		err = start_program(worker, &launch, error);
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

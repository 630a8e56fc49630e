/* SPDX-License-Identifier: Apache-2.0 */
/* A process that an lbd before has started: it is taken back, or what it has left is ended; and its record. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "worker/private.h"

/* Takes the recorded process back. */
static int adopt_recorded(struct worker *worker, struct error *error)
{
	struct process_stat stat;
	uint64_t start_ticks;
	int err = process_stat(worker->record.pid, &stat);

	if (!err)
		err = process_start_ticks(worker->record.pid, &start_ticks);
	worker->pidfd = process_open(worker->record.pid);
	if (err || worker->pidfd < 0)
		return error_set(error, err ? err : worker->pidfd, "worker %s: pid %d: %s",
				 worker->name, worker->record.pid,
				 strerror(err ? -err : -worker->pidfd));
	worker->pid = worker->record.pid;
	worker->adopted = stat.parent != getpid();
	worker->started_us = process_started_us(start_ticks);
	if (*worker->record.cgroup && !(worker->cgroup = strdup(worker->record.cgroup)))
		return error_set(error, -ENOMEM, "worker %s: out of memory", worker->name);
	worker->group = worker->cgroup ? cgroup_id(worker->cgroup) : 0;
	worker_set_limits(
		worker); /* lost when a service manager started lbd anew, see lbd.service */
	process_user(worker->pid, &worker->listener_user, NULL); /* who may hold up their close */
	worker->listener_settings = worker->record.settings;
	worker_take_listeners(worker);
	err = worker_go_on_listening(worker);
	if (err)
		return error_set(error, err, "worker %s: %s", worker->name, strerror(-err));
	worker->log_mark = worker->record.log_mark;
	worker->err_mark = worker->record.err_mark;
	err = worker_open_outputs(worker, true, error);
	if (err)
		return err;
	err = worker_resume_notify(worker);
	if (err) /* as at its start: it serves without */
		log_warning("worker %s: notify socket %s: %s: what it says is not heard",
			    worker->name, worker->notify_path ? worker->notify_path : "",
			    strerror(-err));
	err = worker_watch(worker);
	if (err)
		error_set(error, err, "worker %s: %s", worker->name, strerror(-err));
	return err;
}

bool worker_is_lost(const struct worker *worker)
{
	return worker->pidfd >= 0 && (!record_is_there(worker->host->run_dir, worker->name) ||
				      (worker->notify && access(worker->notify_path, F_OK)));
}

static void write_record(const struct worker *worker)
{
	if (record_write(worker->host->run_dir, worker->name, &worker->record))
		log_warning("worker %s: its record cannot be written: a later lbd will not know it",
			    worker->name);
}

void worker_renew_record(struct worker *worker)
{
	if (worker->pidfd < 0 ||
	    record_is_written(worker->host->run_dir, worker->name, &worker->record))
		return;
	log_warning("%s/workers/%s is not what lbd has written: it is written anew",
		    worker->host->run_dir, worker->name);
	write_record(worker);
}

void worker_mend(struct worker *worker)
{
	if (worker->pidfd < 0)
		return;
	write_record(worker);
	if (!worker->notify || !access(worker->notify_path, F_OK))
		return;
	if (worker_listen_anew(worker))
		log_warning("worker %s: its notify socket cannot be made again: what it says is "
			    "not heard",
			    worker->name);
}

/* What it ended with is told as long as nobody has reaped it. */
static void note_lost(struct worker *worker)
{
	const struct record *record = &worker->record;
	int pidfd = process_open(record->pid);

	/* Now that it is held: still the one. */
	if (pidfd >= 0 && record_reused(record)) {
		close(pidfd);
		pidfd = -1;
	}
	worker->lost = record->pid;
	worker_note_end(worker, pidfd, record->pid);
	if (pidfd >= 0)
		close(pidfd);
}

pid_t worker_lost(const struct worker *worker, struct worker_exit *exit)
{
	*exit = worker->end;
	return worker->lost;
}

/* One that cannot be read is nobody's to guess at: not started a second time beside the first. */
int worker_take_back(struct worker *worker, struct error *error)
{
	const struct worker_host *host = worker->host;
	int err = record_read(host->run_dir, host->cgroup, worker->name, &worker->record), alive;

	if (err == -EPROTO)
		return error_set(
			error, err,
			"%s/workers/%s was written by a newer lbd, and this one (" LB_VERSION
			") does not understand it: start the newer one; the worker runs on",
			host->run_dir, worker->name);
	if (err == -EINVAL)
		log_error("%s/workers/%s is torn, or nothing that lbd has written, and no control "
			  "group tells of its process: that may run on, and is not known any more; "
			  "who has the worker's port is named when it is started",
			  host->run_dir, worker->name);
	else if (!err && worker->record.is_torn)
		log_error(
			"%s/workers/%s is torn, or nothing that lbd has written: its control "
			"group tells of the process; whether that runs with the settings in force "
			"is not known (`lbctl worker restart %s` makes it so)",
			host->run_dir, worker->name, worker->name);
	if (err == -ENOENT || err == -EINVAL) {
		worker_bury_unknown(host, worker->name);
		return 0;
	}
	alive = err ? err : record_alive(&worker->record);
	if (alive <
	    0) /* DANGER: not taken for dead, or it would be killed as what that one has left */
		return error_set(
			error, alive,
			"worker %s: whether its process runs cannot be seen: %s; it is left "
			"alone: start lbd again",
			worker->name, strerror(-alive));
	if (!alive) {
		if (record_is_of_this_boot(&worker->record))
			note_lost(worker);
		worker_bury(host, worker->name, &worker->record);
		return 0;
	}
	worker_bury_groups(host, worker->name, &worker->record);
	/* Where the group alone knew of it. */
	record_write(host->run_dir, worker->name, &worker->record);
	return adopt_recorded(worker, error);
}

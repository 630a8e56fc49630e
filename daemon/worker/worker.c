/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/tail.h"
#include "host/cgroup/cgroup.h"
#include "host/net/inherit.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "worker/private.h"

enum { TIMER_SLACK_US = 1000 };

int worker_timer(struct worker *worker, sd_event_source **source, uint64_t delay_us,
		 sd_event_time_handler_t handler)
{
	*source = sd_event_source_disable_unref(*source);
	return sd_event_add_time_relative(worker->host->event, source, CLOCK_MONOTONIC, delay_us,
					  TIMER_SLACK_US, handler, worker);
}

/* Takes the recorded process back. */
static int adopt(struct worker *worker, struct error *error)
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
	if (worker_revive_listeners(worker))
		worker_end_listeners(worker);
	err = worker_watch_listeners(worker);
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
	return adopt(worker, error);
}

int worker_new(const struct worker_host *host, const struct conf_worker *conf, const char *pool,
	       uint16_t port, unsigned index, const struct worker_ops *ops, void *arg,
	       struct worker **out, struct error *error)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker || asprintf(&worker->name, "%s:%u", pool, port) < 0 ||
	    !(worker->pool = strdup(pool))) {
		if (worker)
			free(worker->name);
		free(worker);
		return error_set(error, -ENOMEM, "worker %s:%u: out of memory", pool, port);
	}
	worker->host = host;
	worker_set_conf(worker, conf);
	worker->ops = ops;
	worker->arg = arg;
	worker->launch_name = (struct launch_name){worker->name, worker->pool, port, index};
	worker->pidfd = worker->listeners[0] = worker->listeners[1] = -1;
	worker->child = worker->hook = SPAWN_NO_CHILD;
	*out = worker;
	return 0;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->pidfd < 0) /* its port may be another's at once */
		worker_end_listeners(worker);
	else /* the process goes on with them */
		worker_close_listeners(worker);
	worker_end_free(worker);
	worker_close_outputs(worker);
	free(worker->limits_note);
	free(worker->cgroup);
	free(worker->name);
	free(worker->pool);
	free(worker);
}

/* A running process keeps what it was started with; the rest counts from the next start on. */
void worker_set_conf(struct worker *worker, const struct conf_worker *conf)
{
	worker->conf = conf;
	worker->ending = (struct worker_ending){0};
}

struct worker_ending worker_ending(const struct worker *worker)
{
	if (worker->ending.signal)
		return worker->ending;
	return (struct worker_ending){worker->conf->stop_signal, worker->conf->stop_timeout_ms};
}

void worker_set_ending(struct worker *worker, struct worker_ending ending)
{
	worker->ending = ending;
}

uint64_t worker_group(const struct worker *worker)
{
	return worker->group;
}

const char *worker_cgroup(const struct worker *worker)
{
	return worker->group ? worker->cgroup : NULL;
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->pid;
}

bool worker_runs(const struct worker *worker)
{
	return worker->pid && !worker->pending;
}

bool worker_is_outdated(const struct worker *worker)
{
	return worker && worker->pid &&
	       (worker_has_old_files(worker) ||
		(worker->record.settings && worker->record.settings != worker->conf->fingerprint));
}

int worker_look_at_files(struct worker *worker, struct error *error)
{
	uint64_t files;
	int err;

	if (worker->pid ? !worker->record.files : !worker->past.tried_settings)
		return 0;
	err = launch_look_at_files(worker->conf, &worker->launch_name, &files, error);
	worker->past.files_seen = err ? 0 : files;
	return err;
}

static bool files_differ(const struct worker *worker, uint64_t before)
{
	return worker->past.files_seen && worker->past.files_seen != before;
}

bool worker_has_old_files(const struct worker *worker)
{
	return worker->pid && worker->record.files && files_differ(worker, worker->record.files);
}

struct worker_past worker_past(const struct worker *worker)
{
	return worker->past;
}

void worker_set_past(struct worker *worker, struct worker_past past)
{
	const struct record *record = &worker->record;

	worker->past = past;
	if (!worker->pid || !record->files || past.tried_files == record->files)
		return;
	worker->past.tried_settings = record->settings;
	worker->past.tried_files = worker->past.files_seen = record->files;
}

bool worker_is_mended(const struct worker *worker)
{
	const struct worker_past *past = &worker->past;

	return !worker->pid && past->tried_settings &&
	       (files_differ(worker, past->tried_files) ||
		past->tried_settings != worker->conf->fingerprint);
}

uint64_t worker_started_us(const struct worker *worker)
{
	return worker->started_us;
}

uint64_t worker_memory(const struct worker *worker)
{
	uint64_t bytes = worker->cgroup ? cgroup_memory(worker->cgroup) : 0;
	struct process_stat stat;

	if (!bytes && worker->pid && !process_stat(worker->pid, &stat))
		bytes = stat.resident_bytes;
	return bytes;
}

const char *worker_log_path(const struct worker *worker)
{
	return worker->log_path;
}

const char *worker_limits_note(const struct worker *worker)
{
	return worker->limits_note;
}

uid_t worker_log_user(const struct worker *worker)
{
	return worker->log_user;
}

bool worker_adopted(const struct worker *worker)
{
	return worker->adopted;
}

int worker_listener(const struct worker *worker, bool is_v6)
{
	return worker->listeners[is_v6] >= 0 ? worker->listeners[is_v6] : -1;
}

bool worker_has_listener(const struct worker *worker)
{
	return worker_listener(worker, false) >= 0 || worker_listener(worker, true) >= 0;
}

unsigned worker_relistened(const struct worker *worker)
{
	return worker->past.relistened;
}

char *worker_last_output(const struct worker *worker, unsigned lines, size_t *bytes)
{
	/* Apart from the rest, what went wrong is there. */
	char *text = worker->err_path ? tail_lines(worker->err_path, lines, worker->log_user,
						   &worker->err_mark, bytes)
				      : NULL;

	if (!text && worker->log_path)
		text = tail_lines(worker->log_path, lines, worker->log_user, &worker->log_mark,
				  bytes);
	return text;
}

const char *worker_status(const struct worker *worker)
{
	return worker->status;
}

const char *worker_name(const struct worker *worker)
{
	return worker->name;
}

uint32_t worker_backoff_ms(unsigned failures, uint32_t min_ms, uint32_t max_ms)
{
	uint64_t delay = min_ms;

	while (failures-- > 1 && delay < max_ms)
		delay *= 2;
	return delay < max_ms ? delay : max_ms;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/tail.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "worker/private.h"

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

const char *worker_log_path(const struct worker *worker, bool is_err)
{
	return output_path(is_err ? worker->err : worker->out);
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

unsigned worker_relistened(const struct worker *worker)
{
	return worker->past.relistened;
}

char *worker_tail(const struct worker *worker, bool is_err, unsigned lines, size_t *bytes)
{
	const char *path = worker_log_path(worker, is_err);

	return path ? tail_lines(path, lines, worker->log_user,
				 is_err ? &worker->err_mark : &worker->log_mark, bytes)
		    : NULL;
}

char *worker_last_output(const struct worker *worker, unsigned lines, size_t *bytes)
{
	/* Apart from the rest, what went wrong is there. */
	char *text = worker_tail(worker, true, lines, bytes);

	return text ? text : worker_tail(worker, false, lines, bytes);
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

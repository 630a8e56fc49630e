/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker's output goes: the paths by the present configuration, and the streams that are open. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own_dir.h"
#include "host/process/process.h"
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/open_file.h"
#include "base/place.h"
#include "host/instance/instance.h"
#include "host/process/account.h"

#define JOURNAL "/run/systemd/journal/stdout"

/* As worker/run.c has it: an absolute path as it is, else below the directory of logs. */
static char *log_path(const struct look *look, const struct conf_output *output,
		      const char *log_directory, const char *suffix)
{
	const struct launch_name *as = &look->name;
	char *name, *path = NULL;

	if (output->path)
		name = conf_expand(output->path, as->pool, as->port, as->index);
	else if (asprintf(&name, "%s%s", as->worker, suffix) < 0)
		name = NULL;
	if (!name || *name == '/')
		return name;
	if (asprintf(&path, "%s/%s", log_directory, name) < 0)
		path = NULL;
	free(name);
	return path;
}

/* A directory that is the same for all: that it is missing was told of the first. */
static bool is_told(const struct look *look, const struct conf_output *output)
{
	char *directory = output->path ? strdup(output->path) : NULL;
	char *last = directory ? strrchr(directory, '/') : NULL;
	bool differs = last && (*last = '\0', conf_differs(directory));

	free(directory);
	return look->follows && !differs;
}

/* It is made by the first worker's start, if no more of its path is missing. */
static bool will_be_made(const char *directory, const char *path)
{
	size_t length = strlen(directory);
	char parent[PATH_MAX];
	struct stat status;
	char *last;

	if (strncmp(path, directory, length) || strchr(path + length + 1, '/') ||
	    !stat(directory, &status) || errno != ENOENT)
		return false;
	snprintf(parent, sizeof(parent), "%s", directory);
	last = strrchr(parent, '/');
	if (last)
		last[last == parent] = '\0';
	return last && !stat(parent, &status) && S_ISDIR(status.st_mode);
}

static uid_t user_of(const struct conf_worker *worker)
{
	struct error ignored;
	uid_t uid;

	account_uid(worker->user, &uid, &ignored);
	return uid;
}

/* What root may do is not for others to find out; what is not there they can see. */
static bool is_to_be_told(const struct look *look, const struct conf_output *output,
			  const char *log_directory, const char *path, int err)
{
	if (err != -ENOENT)
		return !geteuid();
	return !will_be_made(log_directory, path) && !is_told(look, output);
}

/* Without it no worker of these starts: sd_journal_stream_fd(3) connects to it. */
static int check_journal(const struct look *look, const struct block *at)
{
	const struct sockaddr_un journal = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)&journal, sizeof(journal)) && errno != EAGAIN)
		err = -errno;
	close(fd);
	if (!err)
		return 0;
	block_error(at, look->error, err,
		    "pool %s: journal %s: %s; start systemd-journald, or name a file, syslog or "
		    "none",
		    look->pool->name, JOURNAL, strerror(-err));
	return launch_refuse(err, look->warn, look->error);
}

static int check_log(const struct look *look, bool is_err, const char *log_directory)
{
	const struct conf_pool *pool = look->pool;
	const struct conf_output *output =
		is_err ? &pool->worker->stderr_log : &pool->worker->stdout_log;
	const struct block *at = conf_written(pool, "worker", is_err ? "stderr" : "stdout", 0);
	struct error inner;
	char *path;
	int err;

	if (output->kind == OUTPUT_JOURNAL)
		return check_journal(look, at);
	if (output->kind != OUTPUT_FILE)
		return 0;
	path = log_path(look, output, log_directory, is_err ? ".err.log" : ".log");
	if (!path)
		return block_error(at, look->error, -ENOMEM, "pool %s: out of memory", pool->name);
	err = open_file_check("log ", path, user_of(pool->worker), &inner);
	if (err && is_to_be_told(look, output, log_directory, path, err)) {
		block_error(at, look->error, err, "pool %s: %s%s", pool->name, inner.text,
			    err == -ENOENT ? "; make its directory, or name another file" : "");
		err = launch_judge(path, err, look->warn, look->error);
	} else {
		err = 0;
	}
	free(path);
	return err;
}

int launch_check_logs(const struct look *look, const char *log_directory)
{
	const char *directory = log_directory ? log_directory : LB_LOG_DIR;
	int err = check_log(look, false, directory);

	if (!err && !look->pool->worker->merge_stderr)
		err = check_log(look, true, directory);
	return err;
}

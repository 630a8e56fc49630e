/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/open_file.h"
#include "base/place.h"
#include "check/privileges.h"
#include "host/instance/instance.h"
#include "host/instance/pid_file.h"
#include "host/process/program.h"

enum {
	/* A pidfd, a notify socket, a FIFO, a control group's events, a check: for each of many workers. */
	FILES_WANTED = 65536,
	LOG_MAX_BYTES = 50 << 20,
	LOG_MAX_FILES = 10,
};

/* least 0: as many as the hard limit allows, up to wanted. */
static int raise_limit(int resource, const char *what, uint64_t least, uint64_t wanted,
		       struct error *error)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return error_set(error, -errno, "%s: cannot read the limit: %s", what,
				 strerror(errno));
	if (wanted < least)
		wanted = least;
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < wanted) {
		struct rlimit raised = {wanted, limit.rlim_max > wanted ? limit.rlim_max : wanted};

		if (setrlimit(resource, &raised)) {
			raised = (struct rlimit){limit.rlim_max, limit.rlim_max};
			setrlimit(resource, &raised);
		}
		getrlimit(resource, &limit);
	}
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < least)
		return error_set(error, -EPERM,
				 "%s %" PRIu64 ": the limit here is %" PRIu64
				 " and cannot be raised (ulimit, LimitNOFILE= of the unit)",
				 what, least, (uint64_t)limit.rlim_cur);
	return 0;
}

static int raise_files(const struct conf *conf, struct error *error)
{
	return raise_limit(RLIMIT_NOFILE, "min_files", conf->min_files, FILES_WANTED, error);
}

static int raise_processes(const struct conf *conf, struct error *error)
{
	return conf->min_processes
		       ? raise_limit(RLIMIT_NPROC, "min_processes", conf->min_processes, 0, error)
		       : 0;
}

/* NULL: it is standard error. */
static const char *log_path(const struct conf *conf, const char *instance, bool foreground,
			    char path[128])
{
	if (conf->log_file || foreground)
		return conf->log_file;
	snprintf(path, 128, "%s/%s.log", LB_LOG_DIR, instance);
	return path;
}

static int use_log(const struct conf *conf, const char *instance, bool foreground,
		   struct error *error)
{
	char room[128];
	const char *path = log_path(conf, instance, foreground, room);

	if (conf->log_file)
		return log_open(path, conf->log_max_bytes, conf->log_max_files, error);
	return path ? log_open(path, LOG_MAX_BYTES, LOG_MAX_FILES, error)
		    : log_open(NULL, 0, 0, error);
}

static int try_log(const struct conf *conf, const char *instance, bool foreground,
		   struct error *error)
{
	char room[128];
	const char *path = log_path(conf, instance, foreground, room);

	if (!path || (!conf->log_file && access(LB_LOG_DIR, F_OK))) /* a start makes it */
		return 0;
	return open_file_check("log ", path, geteuid(), error);
}

/* DANGER: the pid file takes the name of what is there, and the log would go on without one. */
static int check_apart(const struct conf *conf, const char *log, struct error *error)
{
	bool is_same = false;
	int err = log ? place_is_same("pid_file ", conf->pid_file, log, &is_same, error) : 0;

	if (err == -ENOENT) /* whichever it is, its own check says so */
		return 0;
	if (!err && is_same)
		err = error_set(error, -EEXIST,
				"pid_file %s: is the file of log, too: name another one",
				conf->pid_file);
	return err;
}

static int check_pid_file(const struct conf *conf, const char *instance, bool foreground, pid_t lbd,
			  struct error *error)
{
	char room[128];
	int err = conf->pid_file
			  ? check_apart(conf, log_path(conf, instance, foreground, room), error)
			  : 0;

	return err || !conf->pid_file ? err : pid_file_check(conf->pid_file, lbd, error);
}

static int raise_limits(const struct conf *conf, struct error *error)
{
	int err = privileges_check(conf, error);

	if (!err)
		err = raise_files(conf, error);
	if (!err)
		err = raise_processes(conf, error);
	return err;
}

/* Workers serve, and nobody would keep them: without the file rather than not at all. */
static int use_files_in_force(const struct conf *conf, const char *instance, bool foreground,
			      struct error *error)
{
	const struct conf without = {0};
	struct error missing;
	int err = 0;

	if (use_log(conf, instance, foreground, &missing)) {
		err = use_log(&without, instance, foreground, error);
		if (!err)
			log_error("%s; what lbd has to say is here until a reload can open it",
				  missing.text);
	}
	return err;
}

int settings_use(const struct conf *conf, const char *instance, bool foreground, bool in_force,
		 struct error *error)
{
	int err = raise_limits(conf, error);

	if (!err && in_force)
		return use_files_in_force(conf, instance, foreground, error);
	if (!err)
		err = use_log(conf, instance, foreground, error);
	return err ? err : check_pid_file(conf, instance, foreground, getpid(), error);
}

static int write_pid(const struct conf *conf, const char *instance, bool foreground,
		     struct error *error)
{
	int err = check_pid_file(conf, instance, foreground, getpid(), error);

	return err || !conf->pid_file ? err : pid_file_write(conf->pid_file, error);
}

int settings_write_pid(const struct conf *conf, const char *instance, bool foreground,
		       bool in_force, struct error *error)
{
	int err = write_pid(conf, instance, foreground, error);

	if (!err || !in_force)
		return err;
	log_error("%s; lbd goes on without it", error->text);
	return 0;
}

int settings_try(const struct conf *conf, const char *instance, bool foreground, pid_t lbd,
		 struct error *error)
{
	int err = raise_limits(conf, error);

	if (!err)
		err = try_log(conf, instance, foreground, error);
	return err ? err : check_pid_file(conf, instance, foreground, lbd, error);
}

/* The pid file of one that is no longer in force. */
static void remove_pid(const struct conf *old, const struct conf *now)
{
	if (old->pid_file)
		pid_file_remove(old->pid_file, now->pid_file);
}

int settings_change(const struct conf *from, const struct conf *to, const char *instance,
		    bool foreground, struct error *error)
{
	int err = raise_limits(to, error);

	if (!err)
		err = try_log(to, instance, foreground, error);
	if (!err)
		err = write_pid(to, instance, foreground, error);
	if (err)
		return err;
	/* The log last: where it cannot be opened it stays where it was. */
	err = use_log(to, instance, foreground, error);
	if (err)
		remove_pid(to, from);
	else
		remove_pid(from, to);
	return err;
}

/* With the line of its directive. */
static void tell_at_directive(const struct conf *conf, const char *directive, int err,
			      struct error *error, const struct launch_warn *warn)
{
	const struct block *at = block_find(conf->root, (const char *const[]){directive, NULL});
	struct error placed = *error;

	if (err && at)
		block_error(at, &placed, err, "%s", error->text);
	launch_refuse(err, warn, &placed);
}

/* What root may do is not for others to find out; what is not there they can see. */
void settings_check(const struct conf *conf, const struct launch_warn *warn)
{
	const bool is_root = !geteuid();
	struct error error = {0};
	bool has_log;
	int err;

	if (is_root) {
		tell_at_directive(conf, "min_files", raise_files(conf, &error), &error, warn);
		tell_at_directive(conf, "min_processes", raise_processes(conf, &error), &error,
				  warn);
	}
	err = conf->log_file ? open_file_check("log ", conf->log_file, geteuid(), &error) : 0;
	if (is_root || err == -ENOENT)
		tell_at_directive(conf, "log", err, &error, warn);
	has_log = conf->log_file && !err;
	err = conf->pid_file ? pid_file_check_place(conf->pid_file, &error) : 0;
	if (!err && conf->pid_file && has_log)
		err = check_apart(conf, conf->log_file, &error);
	if (is_root || err == -ENOENT)
		tell_at_directive(conf, "pid_file", err, &error, warn);
}

void settings_end(const struct conf *conf)
{
	if (conf && conf->pid_file)
		pid_file_remove(conf->pid_file, NULL);
}

void settings_find_static(void)
{
	static char path[PATH_MAX];
	char own[PATH_MAX], *end;

	/* It is beside the file, not beside a link to it. */
	end = realpath(program_path(), own) ? strrchr(own, '/') : NULL;
	if (!end || snprintf(path, sizeof(path), "%.*s/lbstatic", (int)(end - own), own) >=
			    (int)sizeof(path))
		return;
	if (!access(path, X_OK))
		conf_static_program = path;
}

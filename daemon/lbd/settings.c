/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/settings.h"

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

static void name_default_log(const char *instance, char path[128])
{
	snprintf(path, 128, "%s/%s.log", LB_LOG_DIR, instance);
}

static int use_log(const struct conf *conf, const char *instance, bool foreground,
		   struct error *error)
{
	char path[128];

	if (conf->log_file)
		return log_open(conf->log_file, conf->log_max_bytes, conf->log_max_files, error);
	if (foreground)
		return log_open(NULL, 0, 0, error);
	name_default_log(instance, path);
	return log_open(path, LOG_MAX_BYTES, LOG_MAX_FILES, error);
}

static int try_log(const struct conf *conf, const char *instance, bool foreground,
		   struct error *error)
{
	char path[128];

	if (conf->log_file)
		return open_file_check("log ", conf->log_file, geteuid(), error);
	if (foreground || access(LB_LOG_DIR, F_OK)) /* a start makes it */
		return 0;
	name_default_log(instance, path);
	return open_file_check("log ", path, geteuid(), error);
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
	return err || !conf->pid_file ? err : pid_file_check(conf->pid_file, getpid(), error);
}

int settings_write_pid(const struct conf *conf, bool in_force, struct error *error)
{
	int err = conf->pid_file ? pid_file_write(conf->pid_file, error) : 0;

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
	if (!err && conf->pid_file)
		err = pid_file_check(conf->pid_file, lbd, error);
	return err;
}

/* The pid file of one that is no longer in force. */
static void remove_pid(const struct conf *old, const struct conf *now)
{
	if (old->pid_file && (!now->pid_file || strcmp(old->pid_file, now->pid_file)))
		pid_file_remove(old->pid_file);
}

int settings_change(const struct conf *from, const struct conf *to, const char *instance,
		    bool foreground, struct error *error)
{
	int err = raise_limits(to, error);

	if (!err && to->pid_file)
		err = pid_file_write(to->pid_file, error);
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
static void tell(const struct conf *conf, const char *directive, int err, struct error *error,
		 const struct launch_warn *warn)
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
	int err;

	if (is_root) {
		tell(conf, "min_files", raise_files(conf, &error), &error, warn);
		tell(conf, "min_processes", raise_processes(conf, &error), &error, warn);
	}
	err = conf->log_file ? open_file_check("log ", conf->log_file, geteuid(), &error) : 0;
	if (is_root || err == -ENOENT)
		tell(conf, "log", err, &error, warn);
	err = conf->pid_file ? pid_file_check_place(conf->pid_file, &error) : 0;
	if (is_root || err == -ENOENT)
		tell(conf, "pid_file", err, &error, warn);
}

void settings_end(const struct conf *conf)
{
	if (conf && conf->pid_file)
		pid_file_remove(conf->pid_file);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_check.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"
#include "place.h"

/* 0, or the errno that running it would give. */
static int look_at(const char *path)
{
	struct stat status;

	if (stat(path, &status))
		return errno;
	if (!S_ISREG(status.st_mode))
		return EACCES;
	return status.st_mode & 0111 ? 0 : EACCES;
}

static int look_in(const struct launch *launch, const char *dir, size_t length, const char *name)
{
	const char *base = launch->directory ? launch->directory : ".";
	char path[PATH_MAX];
	int used = *dir == '/' ? snprintf(path, sizeof(path), "%.*s/%s", (int)length, dir, name)
			       : snprintf(path, sizeof(path), "%s/%.*s/%s", base, (int)length, dir,
					  name);

	return used < (int)sizeof(path) ? look_at(path) : ENAMETOOLONG;
}

/* What one place forbids may be found in a later one, as execvp(3) has it. */
static int look_for(const struct launch *launch)
{
	const char *name = launch->spawn.argv[0];
	const char *dirs = environment_find(&launch->environment, "PATH");
	int found = ENOENT;

	if (*name == '/')
		return look_at(name);
	if (strchr(name, '/'))
		return look_in(launch, "", 0, name);
	for (dirs = dirs ? dirs : "/bin:/usr/bin"; found && dirs;) {
		size_t length = strcspn(dirs, ":");
		int now = look_in(launch, dirs, length, name);

		if (!now || now == EACCES)
			found = now;
		dirs = dirs[length] ? dirs + length + 1 : NULL;
	}
	return found;
}

/* A pool whose first worker's start is looked at. */
struct look {
	const struct conf_pool *pool;
	const struct launch_warn *warn;
	struct error *error;
	struct launch_name name;
	char worker[300];
};

int launch_judge(const char *path, int err, const struct launch_warn *warn,
		 const struct error *error)
{
	if (!err || place_is_closed(path))
		return err;
	warn->tell(warn->arg, error->text);
	return 0;
}

static char *expand(const struct look *look, const char *text)
{
	return conf_expand(text, look->pool->name, look->name.port, look->name.index);
}

static int no_memory(const struct look *look)
{
	return block_error(look->pool->at, look->error, -ENOMEM, "pool %s: out of memory",
			   look->pool->name);
}

/* *broken: nothing can be started with it. */
static int check_environment_file(const struct look *look, const char *text, bool *broken)
{
	char *path = expand(look, text);
	struct environment scratch = {0};
	struct error inner;
	uid_t user;
	int err;

	if (!path)
		return no_memory(look);
	err = account_uid(look->pool->worker->user, &user, &inner);
	if (!err)
		err = environment_read(&scratch, path, user, &inner);
	environment_clear(&scratch);
	if (err) {
		*broken = true;
		block_error(look->pool->at, look->error, err, "pool %s: %.600s", look->pool->name,
			    inner.text);
		err = launch_judge(path, err, look->warn, look->error);
	}
	free(path);
	return err;
}

static int check_path(const struct look *look, const char *what, const char *text, bool directory)
{
	char *path = expand(look, text);
	struct stat status;
	int err;

	if (!path)
		return no_memory(look);
	err = stat(path, &status) ? errno : directory && !S_ISDIR(status.st_mode) ? ENOTDIR : 0;
	if (err) {
		err = block_error(look->pool->at, look->error, -err,
				  "pool %s: %s %.300s: %s; name a %s that is there",
				  look->pool->name, what, path, strerror(err),
				  directory ? "directory" : "path");
		err = launch_judge(path, err, look->warn, look->error);
	}
	free(path);
	return err;
}

static int check_paths(const struct look *look, bool *broken)
{
	const struct conf_worker *worker = look->pool->worker;
	int err = 0;

	for (char **at = worker->environment_files; *at && !err; at++)
		err = check_environment_file(look, *at, broken);
	for (char **at = worker->confinement.read_only; at && *at && !err; at++)
		err = check_path(look, "read_only", *at, false);
	if (!err && worker->directory)
		err = check_path(look, "directory", worker->directory, true);
	return err;
}

/* What lbstatic serves from: `--root DIR` and `--alias PATTERN DIR`. */
static int check_static(const struct look *look, char *const *argv)
{
	int err = 0;

	for (; argv[1] && !err; argv++) {
		if (!strcmp(*argv, "--root"))
			err = check_path(look, "root", argv[1], true);
		else if (!strcmp(*argv, "--alias") && argv[2])
			err = check_path(look, "alias", argv[2], true);
	}
	return err;
}

/* A bare name's PATH is of the configuration, or of files that others may write. */
static int judge_program(const struct look *look, const struct launch *launch, int err)
{
	const char *name = launch->spawn.argv[0];
	const char *base = *name != '/' && launch->directory ? launch->directory : "";
	char path[PATH_MAX];

	if (strchr(name, '/')) {
		snprintf(path, sizeof(path), "%s%s%s", base, *base ? "/" : "", name);
		return launch_judge(path, err, look->warn, look->error);
	}
	for (char **at = look->pool->worker->environment_files; *at && err; at++) {
		char *file = expand(look, *at);

		if (file)
			err = launch_judge(file, err, look->warn, look->error);
		free(file);
	}
	return err;
}

static int check_program(const struct look *look, const char *what, const char *user,
			 const struct launch *launch)
{
	int found = look_for(launch);

	if (!found)
		return 0;
	block_error(look->pool->at, look->error, -found,
		    "pool %s: %s %.300s: %s; name a program that is there, %s", look->pool->name,
		    what, launch->spawn.argv[0],
		    found == EACCES ? "not a file that can be run" : strerror(found),
		    user ? "by its whole path, or in the standard PATH"
			 : "in the workers' PATH or from their directory");
	return judge_program(look, launch, -found);
}

static int check_one(const struct look *look, const char *what, const char *command,
		     const char *user)
{
	struct launch launch;
	struct error inner;
	int err;

	if (!command)
		return 0;
	err = launch_build(look->pool->worker, &look->name, command, user, &launch, &inner);
	if (err)
		block_error(look->pool->at, look->error, err, "pool %s: %s: %.600s",
			    look->pool->name, what, inner.text);
	else
		err = check_program(look, what, user, &launch);
	if (!err && !strcmp(launch.spawn.argv[0], conf_static_program))
		err = check_static(look, launch.spawn.argv);
	launch_clear(&launch);
	return err;
}

int launch_check(const struct conf_pool *pool, const struct launch_warn *warn, struct error *error)
{
	const struct conf_worker *worker = pool->worker;
	struct look look = {.pool = pool, .warn = warn, .error = error};
	bool broken = false;
	int err;

	if (!worker)
		return 0;
	snprintf(look.worker, sizeof(look.worker), "%.280s:%u", pool->name, worker->first_port);
	look.name = (struct launch_name){look.worker, pool->name, worker->first_port, 0};
	err = check_paths(&look, &broken);
	if (err || broken)
		return err;
	err = check_one(&look, "command", worker->command, NULL);
	if (!err)
		err = check_one(&look, "before_start", worker->before_start,
				worker->before_start_user);
	return err ? err
		   : check_one(&look, "after_stop", worker->after_stop, worker->after_stop_user);
}

int launch_check_all(const struct conf *conf, const struct launch_warn *warn, struct error *error)
{
	int err = 0;

	for (size_t i = 0; i < conf->pool_count && !err; i++)
		err = launch_check(&conf->pools[i], warn, error);
	return err;
}

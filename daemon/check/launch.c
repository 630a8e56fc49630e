/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/launch_limits.h"
#include "check/launch_log.h"
#include "check/launch_look.h"
#include "check/launch_once.h"
#include "check/launch_static.h"
#include "launch/launch.h"

/* 0, or the errno that running it would give. */
static int look_at(const struct launch *launch, const char *path)
{
	struct stat status;

	if (launch_hides(&launch->spawn.confinement, path))
		return ENOENT;
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

	return used < (int)sizeof(path) ? look_at(launch, path) : ENAMETOOLONG;
}

/* What one place forbids may be found in a later one, as execvp(3) has it. */
static int look_for(const struct launch *launch)
{
	const char *name = launch->spawn.argv[0];
	const char *dirs = environment_find(&launch->environment, "PATH");
	int found = ENOENT;

	if (*name == '/')
		return look_at(launch, name);
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

/* Of those alone who check: who starts with it goes on, and all is well with it but for that. */
static void tell_reserved(const struct look *look, size_t nth, const struct environment *read)
{
	for (size_t i = 0; i < read->count && look->warn->refuse; i++) {
		const char *text = read->vars[i];
		size_t length = strcspn(text, "=");

		if (!environment_is_reserved(text))
			continue;
		block_error(launch_look_at(look, "environment_file", nth), look->error, 0,
			    "pool %s: environment_file: %.*s is lbd's alone to say, and left out",
			    look->pool->name, (int)(length < 60 ? length : 60), text);
		look->warn->tell(look->warn->arg, look->error->text);
	}
}

/* *broken: nothing can be started with it. */
static int check_environment_file(const struct look *look, size_t nth, bool *broken)
{
	char *path = launch_expand(look, look->pool->worker->environment_files[nth]);
	struct environment scratch = {0};
	struct error inner;
	uid_t user;
	int err;

	if (!path)
		return launch_no_memory(look);
	err = account_uid(look->pool->worker->user, &user, &inner);
	if (!err)
		err = environment_read(&scratch, path, user, &inner);
	tell_reserved(look, nth, &scratch);
	environment_clear(&scratch);
	if (err) {
		*broken = true;
		block_error(launch_look_at(look, "environment_file", nth), look->error, err,
			    "pool %s: %.600s%s", look->pool->name, inner.text,
			    err == -ENOENT ? "; make it, or name another file" : "");
		err = launch_judge(path, err, look->warn, look->error);
	}
	free(path);
	return err;
}

static int check_worker_paths(const struct look *look, bool *broken)
{
	const struct conf_worker *worker = look->pool->worker;
	char **paths = worker->confinement.read_only;
	int err = 0;

	for (size_t i = 0; worker->environment_files[i] && !err; i++)
		err = check_environment_file(look, i, broken);
	for (size_t i = 0; paths && paths[i] && !err; i++)
		err = launch_look_path(look, launch_look_at(look, "read_only", i), "read_only",
				       paths[i], PATH);
	if (!err && worker->directory)
		err = launch_look_path(look, launch_look_at(look, "directory", 0), "directory",
				       worker->directory, DIRECTORY);
	return err;
}

/* A bare name's PATH is of the configuration, or of files that others may write. */
static int judge_program(const struct look *look, const struct launch *launch, int err)
{
	const char *name = launch->spawn.argv[0];
	const char *base = *name != '/' && launch->directory ? launch->directory : "";
	char path[PATH_MAX], *none[] = {NULL};

	if (strchr(name, '/')) {
		snprintf(path, sizeof(path), "%s%s%s", base, *base ? "/" : "", name);
		return launch_judge(path, err, look->warn, look->error);
	}
	for (char **at = look->pool->worker ? look->pool->worker->environment_files : none;
	     *at && err; at++) {
		char *file = launch_expand(look, *at);

		if (file)
			err = launch_judge(file, err, look->warn, look->error);
		free(file);
	}
	return err;
}

static const char *describe_found(const struct launch *launch, int found)
{
	const char *name = launch->spawn.argv[0];

	if (found == EACCES)
		return "not a file that can be run";
	return *name == '/' && launch_hides(&launch->spawn.confinement, name) ? LAUNCH_HIDDEN
									      : strerror(found);
}

static int check_program(const struct look *look, const struct block *at, const char *what,
			 const char *user, const struct launch *launch)
{
	int found = look_for(launch);
	const char *why = found ? describe_found(launch, found) : NULL;

	if (!found)
		return 0;
	block_error(at, look->error, -found,
		    "pool %s: %s %.300s: %s; name a program that is there, %s", look->pool->name,
		    what, launch->spawn.argv[0], why,
		    user ? "by its whole path, or in the standard PATH"
			 : "in the workers' PATH or from their directory");
	/* What the configuration hides nobody else can bring back. */
	if (!strcmp(why, LAUNCH_HIDDEN))
		return launch_refuse(-found, look->warn, look->error);
	return judge_program(look, launch, -found);
}

static int refuse_launch(const struct look *look, const struct block *at, const char *what, int err,
			 const struct error *inner)
{
	block_error(at, look->error, err, "pool %s: %s: %.600s", look->pool->name, what,
		    inner->text);
	return launch_refuse(err, look->warn, look->error);
}

/* Its program is started as its user, in a directory that this user is in then. */
static int check_entry(const struct look *look, const char *what, const struct launch *launch)
{
	const char *program = launch->spawn.argv[0], *path = launch->directory;
	int err = path ? launch_look_as(look, &launch->user, path, X_OK) : 0;

	if (!err && *program == '/') {
		path = program;
		err = launch_look_as(look, &launch->user, path, X_OK);
	}
	if (!err || err == -ENOENT) /* what is not there has been told */
		return 0;
	block_error(launch_look_at(look, path == program ? what : "directory", 0), look->error, err,
		    "pool %s: %s %.300s: user %.40s: %s; let that user enter and run it",
		    look->pool->name, path == program ? what : "directory", path, launch->user.name,
		    strerror(-err));
	return launch_judge(path, err, look->warn, look->error);
}

static int check_one(const struct look *look, const char *what, const char *command,
		     const char *user)
{
	const struct conf_worker *worker = look->pool->worker;
	const struct launch_who who = {worker->user, worker->group, false};
	const struct block *at = launch_look_at(look, what, 0);
	struct launch launch;
	struct error inner;
	int err, built;

	if (!command || (look->broken && !user && *command != '/'))
		return 0;
	built = look->broken && !user
			? launch_begin(&who, &look->name, command, &launch, &inner)
			: launch_build(worker, &look->name, command, user, &launch, &inner);
	err = built ? refuse_launch(look, at, what, built, &inner)
		    : check_program(look, at, what, user, &launch);
	if (!err && !built)
		err = check_entry(look, what, &launch);
	if (!err && !built && !strcmp(launch.spawn.argv[0], conf_static_program))
		err = launch_check_static(look, launch.spawn.argv, &launch.user);
	launch_clear(&launch);
	return err;
}

/* Its environment is not the worker's: see health/exec.c. */
int launch_check_health(const struct conf_pool *pool, const struct launch_warn *warn,
			struct error *error)
{
	const struct look look = {.pool = pool,
				  .block = "health",
				  .warn = warn,
				  .error = error,
				  .name = {"", "", 0, 0}};
	const struct block *at = launch_look_at(&look, "exec", 0);
	const struct conf_health *health = &pool->health;
	const struct launch_who who = {health->user, health->group, false};
	struct launch launch;
	struct error inner;
	int err;

	if (health->kind != HEALTH_EXEC)
		return 0;
	err = launch_begin(&who, &look.name, health->command, &launch, &inner);
	err = err ? refuse_launch(&look, at, "health exec", err, &inner)
		  : check_program(&look, at, "health exec", "", &launch);
	launch_clear(&launch);
	return err;
}

static int check_commands(const struct look *look)
{
	const struct conf_worker *worker = look->pool->worker;
	int err = check_one(look, "command", worker->command, NULL);

	if (!err)
		err = check_one(look, "before_start", worker->before_start,
				worker->before_start_user);
	return err ? err
		   : check_one(look, "after_stop", worker->after_stop, worker->after_stop_user);
}

static int check_worker(struct look *look, unsigned index, const char *log_directory)
{
	const struct conf_pool *pool = look->pool;
	uint16_t port = (uint16_t)(pool->worker->first_port + index);
	int err;

	look->broken = false;
	snprintf(look->worker, sizeof(look->worker), "%.280s:%u", pool->name, port);
	look->name = (struct launch_name){look->worker, pool->name, port, index};
	err = launch_check_limits(look);
	if (!err)
		err = check_worker_paths(look, &look->broken);
	if (!err)
		err = check_commands(look);
	return err ? err : launch_check_logs(look, log_directory);
}

int launch_check(const struct conf_pool *pool, const char *log_directory,
		 const struct launch_warn *warn, struct error *error)
{
	struct launch_once once;
	struct look look = {.pool = pool,
			    .block = "worker",
			    .warn = launch_once_begin(&once, warn),
			    .error = error};
	int err = 0;

	for (unsigned i = 0; pool->worker && i < pool->worker->count && !err; i++) {
		look.follows = i > 0;
		err = check_worker(&look, i, log_directory);
	}
	launch_once_end(&once);
	return err ? err : launch_check_health(pool, warn, error);
}

int launch_check_worker(const struct conf_pool *pool, unsigned index, const char *log_directory,
			const struct launch_warn *warn, struct error *error)
{
	struct look look = {.pool = pool, .block = "worker", .warn = warn, .error = error};
	int err = pool->worker ? check_worker(&look, index, log_directory) : 0;

	return err ? err : launch_check_health(pool, warn, error);
}

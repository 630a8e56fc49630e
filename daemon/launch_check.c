/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_check.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"

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

static int check_one(const struct conf_pool *pool, const char *what, const char *command,
		     const char *user, struct error *error)
{
	char worker[300];
	struct launch_name name = {worker, pool->name, pool->worker->first_port, 0};
	struct launch launch;
	struct error inner;
	int err, found;

	if (!command)
		return 0;
	snprintf(worker, sizeof(worker), "%.280s:%u", pool->name, name.port);
	err = launch_build(pool->worker, &name, command, user, &launch, &inner);
	if (err) {
		launch_clear(&launch);
		return block_error(pool->at, error, err, "pool %s: %s: %.600s", pool->name, what,
				   inner.text);
	}
	found = look_for(&launch);
	if (found)
		err = block_error(pool->at, error, -found,
				  "pool %s: %s %.300s: %s; name a program that is there, %s",
				  pool->name, what, launch.spawn.argv[0],
				  found == EACCES ? "not a file that can be run" : strerror(found),
				  user ? "by its whole path, or in the standard PATH"
				       : "in the workers' PATH or from their directory");
	launch_clear(&launch);
	return err;
}

int launch_check(const struct conf_pool *pool, struct error *error)
{
	const struct conf_worker *worker = pool->worker;
	int err;

	if (!worker)
		return 0;
	err = check_one(pool, "command", worker->command, NULL, error);
	if (!err)
		err = check_one(pool, "before_start", worker->before_start,
				worker->before_start_user, error);
	return err ? err
		   : check_one(pool, "after_stop", worker->after_stop, worker->after_stop_user,
			       error);
}

int launch_check_all(const struct conf *conf, struct error *error)
{
	int err = 0;

	for (size_t i = 0; i < conf->pool_count && !err; i++)
		err = launch_check(&conf->pools[i], error);
	return err;
}

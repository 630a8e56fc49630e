/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/cgroup/cgroup.h"
#include "host/cgroup/private.h"
#include "host/process/process.h"

static bool is_ours(pid_t pid)
{
	struct process_stat stat;

	return pid == getpid() || process_stat(pid, &stat) || stat.parent == getpid();
}

/* 0: the group holds nobody but this process and its children.  With `to`, moves them there. */
static int each_of_ours(const char *group, const char *to)
{
	int fd = cgroup_open_file(group, "cgroup.procs", O_RDONLY), pid, err = 0;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	if (!file)
		return fd < 0 ? fd : -ENOMEM;
	while (!err && fscanf(file, "%d", &pid) == 1) {
		if (!to)
			err = is_ours(pid) ? 0 : -EBUSY;
		else if ((err = cgroup_add(to, pid)) == -ESRCH)
			err = 0;
	}
	fclose(file);
	return err;
}

/*
 * A group whose children have controllers may hold no process itself (cgroup-v2.rst, "No Internal
 * Process Constraint"): lbd makes way into a group beside those of the workers.
 */
static int make_way(const char *group)
{
	char leaf[PATH_MAX];
	int err = each_of_ours(group, NULL);

	if (err)
		return err;
	snprintf(leaf, sizeof(leaf), "%s", group);
	err = cgroup_make_below(leaf, CGROUP_LEAF);
	return err ? err : each_of_ours(group, leaf);
}

static int enable_below(const char *group, const char *controller)
{
	char text[64];
	int err;

	snprintf(text, sizeof(text), "+%s", controller);
	err = cgroup_write_file(group, "cgroup.subtree_control", text);
	if (err == -EBUSY) {
		err = make_way(group);
		if (!err)
			err = cgroup_write_file(group, "cgroup.subtree_control", text);
	}
	return err;
}

/* For the children of every group from the root down to dir's parent; busy: the one that could not. */
static int enable_controller(const char *dir, const char *controller, char busy[PATH_MAX])
{
	char path[PATH_MAX];
	int err = cgroup_root(path);

	if (err || strncmp(dir, path, strlen(path)) != 0 || strlen(dir) >= sizeof(path))
		return -ENOENT;
	for (const char *end = dir + strlen(path); end && *end; end = strchr(end + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(end - dir), dir);
		/* Levels above our own may be another's, and enabled already: the last one tells. */
		err = enable_below(path, controller);
		if (err == -EBUSY)
			snprintf(busy, PATH_MAX, "%s", path);
	}
	return err;
}

bool cgroup_has_controller(const char *controller)
{
	char root[PATH_MAX], word[32];
	int fd = cgroup_root(root) ? -1 : cgroup_open_file(root, "cgroup.controllers", O_RDONLY);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool found = false;

	while (file && !found && fscanf(file, "%31s", word) == 1)
		found = !strcmp(word, controller);
	if (file)
		fclose(file);
	return found;
}

int cgroup_limit(const char *dir, const char *file, const char *value, struct error *error)
{
	char controller[32], busy[PATH_MAX] = "";
	int err = cgroup_write_file(dir, file, value);

	if (err == -ENOENT) {
		snprintf(controller, sizeof(controller), "%.*s", (int)strcspn(file, "."), file);
		enable_controller(dir, controller, busy);
		err = cgroup_write_file(dir, file, value);
	}
	if (err == -ENOENT && *busy)
		return error_set(error, err,
				 "%s %s: other processes than lbd are in its control group %s: no "
				 "such limit; "
				 "let lbd have one of its own (a unit with Delegate=yes)",
				 file, value, busy);
	if (err == -ENOENT)
		return error_set(
			error, err,
			"%s %s: controller %s is not in cgroup v2 here (perhaps taken by v1): "
			"no such limit",
			file, value, controller);
	if (err)
		return error_set(error, err, "%s %s: %s", file, value, strerror(-err));
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/own_dir.h"
#include "host/cgroup/private.h"

/* The v2 group of a process, "/" and what follows: the line of hierarchy 0. */
static int find_group(pid_t pid, char group[PATH_MAX])
{
	char path[64], *line = NULL;
	int err = -ENOENT;
	size_t room = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (err && getline(&line, &room, file) > 0)
		if (sscanf(line, "0::%4095[^\n]", group) == 1)
			err = 0;
	free(line);
	fclose(file);
	return err;
}

/* Of "GROUP/lbd.supervisor", where this lbd or the one before has gone: GROUP. */
static void leave_leaf(char *group)
{
	char *last = strrchr(group, '/');

	if (last && !strcmp(last + 1, CGROUP_LEAF))
		last[last == group] = '\0';
}

/* An lbd before this one may have left it to all to list. */
static void close_group(void *arg, const char *name)
{
	char path[PATH_MAX];

	if (!cgroup_nth(arg, name, 0, path))
		own_dir_make(path);
}

#define LOST                                                                                       \
	"no limits of memory, pids and cpu, a worker's children that start a session of their "    \
	"own may outlive it, and it may open /dev/fuse (see SECURITY in lbd(8))"

int cgroup_find(const char *instance, char **dir, struct error *error)
{
	char path[PATH_MAX], group[PATH_MAX];
	int err = cgroup_root(path);
	size_t used;

	if (err)
		return error_set(error, err,
				 "cgroup v2 is not mounted: " LOST
				 "; mount -t cgroup2 none /sys/fs/cgroup");
	err = find_group(getpid(), group);
	if (!err)
		leave_leaf(group);
	used = strlen(path);
	if (!err && strcmp(group, "/"))
		snprintf(path + used, sizeof(path) - used, "%s", group);
	if (!err)
		err = cgroup_make_below(path, "lbd");
	if (!err)
		err = cgroup_make_below(path, instance);
	if (!err && access(path, W_OK))
		err = -errno;
	if (!err && !(*dir = strdup(path)))
		err = -ENOMEM;
	if (err)
		return error_set(error, err,
				 "cgroup %s: %s: " LOST
				 "; let lbd write there (Delegate=yes in its unit)",
				 path, strerror(-err));
	cgroup_each(path, close_group, path);
	return 0;
}

int cgroup_nth(const char *parent, const char *name, unsigned n, char path[PATH_MAX])
{
	int used = n ? snprintf(path, PATH_MAX, "%s/%s~%u", parent, name, n)
		     : snprintf(path, PATH_MAX, "%s/%s", parent, name);

	return used < PATH_MAX ? 0 : -ENAMETOOLONG;
}

size_t cgroup_stem(const char *name)
{
	return strcspn(name, "~");
}

/* Never one that is there: if it is not empty it has been killed, or is about to be. */
static int make_new(const char *path)
{
	int err;

	cgroup_remove(path);
	err = own_dir_make_new(path);
	return err == -EEXIST ? -EBUSY : err;
}

int cgroup_make(const char *parent, const char *name, char **dir)
{
	char path[PATH_MAX];
	int err = -EBUSY;

	for (unsigned n = 0; n < CGROUP_NAMES && err == -EBUSY; n++) {
		err = cgroup_nth(parent, name, n, path);
		if (!err)
			err = make_new(path);
	}
	if (!err && !(*dir = strdup(path)))
		err = -ENOMEM;
	return err;
}

int cgroup_open(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int cgroup_add(const char *dir, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return cgroup_write_file(dir, "cgroup.procs", text);
}

bool cgroup_populated(const char *dir)
{
	char text[256];

	return !cgroup_read_file(dir, "cgroup.events", text, sizeof(text)) &&
	       strstr(text, "populated 1");
}

int cgroup_watch(const char *dir)
{
	return cgroup_open_file(dir, "cgroup.events", O_RDONLY);
}

const char *cgroup_group(const char *dir)
{
	char path[PATH_MAX];

	if (cgroup_root(path) || strncmp(dir, path, strlen(path)) != 0)
		return NULL;
	return dir + strlen(path);
}

bool cgroup_group_holds(const char *group, pid_t pid)
{
	size_t length = strlen(group);
	char of_it[PATH_MAX];

	return !find_group(pid, of_it) && !strncmp(of_it, group, length) &&
	       (!of_it[length] || of_it[length] == '/');
}

bool cgroup_holds(const char *dir, pid_t pid)
{
	const char *group = cgroup_group(dir);

	return group && cgroup_group_holds(group, pid);
}

/* kernfs has the number as the inode's. */
uint64_t cgroup_id(const char *dir)
{
	struct stat st;

	return stat(dir, &st) ? 0 : st.st_ino;
}

uint64_t cgroup_memory(const char *dir)
{
	char text[32];

	if (cgroup_read_file(dir, "memory.current", text, sizeof(text)))
		return 0;
	return strtoull(text, NULL, 10);
}

#define MARK "user.lbd.worker"

int cgroup_mark(const char *dir, const char *text)
{
	return setxattr(dir, MARK, text, strlen(text), 0) ? -errno : 0;
}

int cgroup_read_mark(const char *dir, char *text, size_t room)
{
	ssize_t length = getxattr(dir, MARK, text, room - 1);

	if (length < 0)
		return -errno;
	text[length] = 0;
	return 0;
}

void cgroup_unmark(const char *dir)
{
	removexattr(dir, MARK);
}

/* What could not be listed has not been removed, whatever rmdir(2) said of the rest. */
static int remove_entry(const FTSENT *entry)
{
	switch (entry->fts_info) {
	case FTS_DP:
		return rmdir(entry->fts_path) ? -errno : 0;
	case FTS_NS:
	case FTS_DNR:
	case FTS_ERR:
		return -entry->fts_errno;
	default:
		return 0;
	}
}

int cgroup_remove(const char *dir)
{
	char *paths[] = {(char *)dir, NULL};
	FTSENT *entry;
	FTS *tree;
	int err;

	/* Most have none below them, and that takes no descriptor. */
	if (!rmdir(dir))
		return 0;
	tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	err = tree ? 0 : -errno;
	while (tree && (entry = fts_read(tree))) {
		int one = remove_entry(entry);

		err = one ? one : err;
	}
	if (tree)
		fts_close(tree);
	return err;
}

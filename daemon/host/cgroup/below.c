/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup/below.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cgroup/private.h"

bool cgroup_contains(const char *dir, uint64_t id)
{
	char *paths[] = {(char *)dir, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	bool found = false;
	FTSENT *entry;

	while (tree && !found && (entry = fts_read(tree)))
		found = entry->fts_info == FTS_D && entry->fts_statp->st_ino == id;
	if (tree)
		fts_close(tree);
	return found;
}

/* Of one group alone; false: each() has had enough. */
static bool each_member(const char *dir, bool (*each)(void *arg, pid_t pid), void *arg)
{
	int fd = cgroup_open_file(dir, "cgroup.procs", O_RDONLY), pid;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	bool goes_on = true;

	if (!file) {
		if (fd >= 0)
			close(fd);
		return true;
	}
	while (goes_on && fscanf(file, "%d", &pid) == 1)
		goes_on = each(arg, pid);
	fclose(file);
	return goes_on;
}

void cgroup_each_process(const char *dir, bool (*each)(void *arg, pid_t pid), void *arg)
{
	char *paths[] = {(char *)dir, NULL};
	FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	bool goes_on = true;
	FTSENT *entry;

	while (tree && goes_on && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_D)
			goes_on = each_member(entry->fts_path, each, arg);
	if (tree)
		fts_close(tree);
}

static bool take_first(void *arg, pid_t pid)
{
	*(pid_t *)arg = pid;
	return false;
}

pid_t cgroup_first(const char *dir)
{
	pid_t first = 0;

	cgroup_each_process(dir, take_first, &first);
	return first;
}

/* Names are gathered first: each() may remove what readdir(3) is about to show. */
int cgroup_each(const char *dir, void (*each)(void *arg, const char *name), void *arg)
{
	struct dirent **entries;
	int count = scandir(dir, &entries, NULL, alphasort);

	if (count < 0)
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		if (entries[i]->d_type == DT_DIR && *entries[i]->d_name != '.')
			each(arg, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

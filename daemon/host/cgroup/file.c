/* SPDX-License-Identifier: Apache-2.0 */
/* The files and directories of control groups. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/own_dir.h"
#include "host/cgroup/private.h"

int cgroup_open_file(const char *dir, const char *file, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_write_file(const char *dir, const char *file, const char *text)
{
	int fd = cgroup_open_file(dir, file, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int cgroup_read_file(const char *dir, const char *file, char *text, size_t room)
{
	int fd = cgroup_open_file(dir, file, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, room - 1);
	close(fd);
	if (n < 0)
		return -EIO;
	text[n] = 0;
	return 0;
}

int cgroup_make_below(char dir[PATH_MAX], const char *name)
{
	size_t used = strlen(dir);

	if (used + strlen(name) + 2 > PATH_MAX)
		return -ENAMETOOLONG;
	snprintf(dir + used, PATH_MAX - used, "%s%s", used && dir[used - 1] == '/' ? "" : "/",
		 name);
	return own_dir_make(dir);
}

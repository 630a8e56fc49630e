/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroup v2 is mounted: alone, or (hybrid) beside version 1. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "datapath_internal.h"

/* mountinfo writes white space and backslashes as \ooo, proc_pid_mountinfo(5). */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*out++ = (char)((text[1] & 7U) << 6 | (text[2] & 7U) << 3 | (text[3] & 7U));
			text += 3;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
}

/* "30 22 0:27 /root /mount/point options tags - type source options": is it the hierarchy's root? */
static char *mount_point(char *line)
{
	char *type = strstr(line, " - "), *root, *point, *save;

	if (!type || strncmp(type + 3, "cgroup2 ", 8))
		return NULL;
	strtok_r(line, " ", &save);
	strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	root = strtok_r(NULL, " ", &save);
	point = strtok_r(NULL, " ", &save);
	if (!point || strcmp(root, "/"))
		return NULL;
	unescape(point);
	return point;
}

/* Something else may be mounted over it: only the file system itself is proof. */
static int open_cgroup2(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd < 0)
		return -ENOENT;
	if (!fstatfs(fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
		return fd;
	close(fd);
	return -ENOENT;
}

int cgroup_root_open(void)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *point;
	int fd = -ENOENT;
	size_t room = 0;

	if (!mounts)
		return -errno;
	while (fd < 0 && getline(&line, &room, mounts) > 0) {
		point = mount_point(line);
		if (point)
			fd = open_cgroup2(point);
	}
	free(line);
	fclose(mounts);
	return fd;
}

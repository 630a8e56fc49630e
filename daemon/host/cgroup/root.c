/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup/root.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

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
static bool is_cgroup2(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC;
}

int cgroup_root(char path[PATH_MAX])
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	int err = -ENOENT;
	char *line = NULL;
	size_t room = 0;

	if (!mounts)
		return -errno;
	while (err && getline(&line, &room, mounts) > 0) {
		const char *point = mount_point(line);

		if (!point || !is_cgroup2(point))
			continue;
		snprintf(path, PATH_MAX, "%s", point);
		err = 0;
	}
	free(line);
	fclose(mounts);
	return err;
}

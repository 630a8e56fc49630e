/* SPDX-License-Identifier: Apache-2.0 */
#include "rotate.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void name_old(char name[PATH_MAX], const char *path, unsigned n)
{
	if (n)
		snprintf(name, PATH_MAX, "%s.%u", path, n);
	else
		snprintf(name, PATH_MAX, "%s", path);
}

int rotate_files(const char *path, unsigned max_files)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (!max_files)
		return unlink(path) && errno != ENOENT ? -errno : 0;
	for (unsigned n = max_files; n; n--) {
		name_old(from, path, n - 1);
		name_old(to, path, n);
		if (rename(from, to) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

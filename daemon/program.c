/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static char path[PATH_MAX];

/* fexecve(3) has started it: the name is of a descriptor that is closed by now. */
static bool names_descriptor(const char *name)
{
	return !strncmp(name, "/dev/fd/", 8) || !strncmp(name, "/proc/", 6);
}

void program_find(void)
{
	/* What execve(2) was given, getauxval(3): with its directory, even when a shell searched PATH. */
	const char *name = (const char *)getauxval(AT_EXECFN);
	char directory[PATH_MAX];
	ssize_t length;

	if (name && *name == '/' && !names_descriptor(name)) {
		snprintf(path, sizeof(path), "%s", name);
	} else if (name && *name && *name != '/' && getcwd(directory, sizeof(directory)) &&
		   snprintf(path, sizeof(path), "%s/%s", directory, name) < (int)sizeof(path)) {
		return;
	} else {
		length = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[length > 0 ? length : 0] = 0;
	}
}

const char *program_path(void)
{
	return path;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/program.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/process/process.h"

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

/* How many bytes of the name in this link to a program's file count; 0: it cannot be read, or has none. */
static size_t read_name(const char *link, char file[PATH_MAX], const char **name)
{
	ssize_t length = readlink(link, file, PATH_MAX - 1);

	file[length > 0 ? length : 0] = 0;
	*name = strrchr(file, '/');
	*name = *name ? *name + 1 : file;
	return strcspn(*name, " .-~");
}

static bool has_our_name(const char *link)
{
	char own[PATH_MAX], its[PATH_MAX];
	const char *own_name, *its_name;
	size_t length = read_name("/proc/self/exe", own, &own_name);

	return length && read_name(link, its, &its_name) == length &&
	       !memcmp(own_name, its_name, length);
}

bool program_is_of(pid_t pid)
{
	struct stat own, its;
	char link[32];

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	if (!process_is_root(pid) || stat(link, &its) || its.st_mode & (S_ISUID | S_ISGID))
		return false;
	return has_our_name(link) || (!stat("/proc/self/exe", &own) && own.st_dev == its.st_dev &&
				      own.st_ino == its.st_ino);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/place.h"

enum { OLD_NAME_BYTES = sizeof(((struct place *)NULL)->name) + 16 };

static void name_old(char name[OLD_NAME_BYTES], const struct place *place, unsigned n)
{
	if (n)
		snprintf(name, OLD_NAME_BYTES, "%s.%u", place->name, n);
	else
		snprintf(name, OLD_NAME_BYTES, "%s", place->name);
}

static int move_all(const struct place *place, unsigned max_files)
{
	char from[OLD_NAME_BYTES], to[OLD_NAME_BYTES];

	if (!max_files)
		return unlinkat(place->dir, place->name, 0) && errno != ENOENT ? -errno : 0;
	for (unsigned n = max_files; n; n--) {
		name_old(from, place, n - 1);
		name_old(to, place, n);
		if (renameat(place->dir, from, place->dir, to) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

/*
 * Where it cannot be as the old one was, it is made when it is opened, as any new log.  By its descriptor: the name may
 * lead to another file by then.
 */
static void make_new(const struct place *place, const struct stat *old)
{
	struct error ignored;
	int fd;

	if (!S_ISREG(old->st_mode) || place_check(place, old->st_uid, 1, &ignored))
		return;
	fd = openat(place->dir, place->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (fchown(fd, old->st_uid, old->st_gid) || fchmod(fd, old->st_mode & 0777))
		unlinkat(place->dir, place->name, 0);
	close(fd);
}

int rotate_files(const char *path, int fd, unsigned max_files, uid_t user, struct error *error)
{
	struct place place;
	struct stat old;
	int err = place_find("log ", path, user, &place, error);

	if (err)
		return err;
	err = fstat(fd, &old) ? -errno : move_all(&place, max_files);
	if (!err)
		make_new(&place, &old);
	place_close(&place);
	if (err)
		error_set(error, err, "log %s: %s", path, strerror(-err));
	return err;
}

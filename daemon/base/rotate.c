/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rotate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/place.h"

enum { NAME_BYTES = sizeof(((struct place *)NULL)->name) + 16 };

/* Of the n-th old one; 0: where the new one is made if none is kept. */
static void name_old(char name[NAME_BYTES], const struct place *place, unsigned n)
{
	if (n)
		snprintf(name, NAME_BYTES, "%s.%u", place->name, n);
	else
		snprintf(name, NAME_BYTES, ".%s.new", place->name);
}

static int rename_in(const struct place *place, const char *from, const char *to)
{
	return renameat(place->dir, from, place->dir, to) && errno != ENOENT ? -errno : 0;
}

static int remove_in(const struct place *place, const char *name)
{
	return unlinkat(place->dir, name, 0) && errno != ENOENT ? -errno : 0;
}

/* No log is rotated empty: it is a new one, of an lbd that was killed before that had its name. */
static bool is_kept(const struct place *place, unsigned n)
{
	char name[NAME_BYTES];
	struct stat st;

	name_old(name, place, n);
	return !fstatat(place->dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       (!S_ISREG(st.st_mode) || st.st_size);
}

/* Of the youngest old one: those before a free name move, else the oldest goes; once, however often it is tried. */
static int free_a_name(const struct place *place, unsigned max_files)
{
	char from[NAME_BYTES], to[NAME_BYTES];
	unsigned n = max_files ? 1 : 0;
	int err;

	while (n < max_files && is_kept(place, n))
		n++;
	name_old(to, place, n);
	err = remove_in(place, to);
	for (; n > 1 && !err; n--) {
		name_old(from, place, n - 1);
		name_old(to, place, n);
		err = rename_in(place, from, to);
	}
	return err;
}

/* By its descriptor: the name may lead to another file by then. */
static int copy_rights(int fd, const struct stat *old)
{
	return fchown(fd, old->st_uid, old->st_gid) || fchmod(fd, old->st_mode & 0777) ? -errno : 0;
}

/* 1: it may not be as the old one was, and is made when it is opened, as any new log. */
static int make_new(const struct place *place, const char *name, const struct stat *old)
{
	struct error ignored;
	int fd, err;

	if (place_check(place, old->st_uid, 1, &ignored))
		return 1;
	fd = openat(place->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = copy_rights(fd, old);
	close(fd);
	if (err)
		unlinkat(place->dir, name, 0);
	return err == -EPERM && place_owner(place) == geteuid() ? 1 : err;
}

/* In one step, wherever the file system can: there is a log at any time, with its rights. */
static int exchange_names(const struct place *place, const char *name)
{
	char aside[NAME_BYTES];
	int err =
		renameat2(place->dir, name, place->dir, place->name, RENAME_EXCHANGE) ? -errno : 0;

	if (err == -ENOENT)
		return rename_in(place, name, place->name);
	if (err != -EINVAL)
		return err;
	name_old(aside, place, 0);
	err = rename_in(place, name, aside);
	if (!err)
		err = rename_in(place, place->name, name);
	return err ? err : rename_in(place, aside, place->name);
}

/* DANGER: a log that moves before the new one is there, with its rights, leaves none when that fails. */
static int rotate_at(const struct place *place, const struct stat *old, unsigned max_files)
{
	char name[NAME_BYTES];
	int err = free_a_name(place, max_files);

	if (err)
		return err;
	name_old(name, place, max_files ? 1 : 0);
	err = make_new(place, name, old);
	if (err < 0)
		return err;
	if (!max_files)
		return err ? remove_in(place, place->name) : rename_in(place, name, place->name);
	return err ? rename_in(place, place->name, name) : exchange_names(place, name);
}

int rotate_files(const char *path, int fd, unsigned max_files, uid_t user, struct error *error)
{
	struct place place;
	struct stat old;
	int err = place_find("log ", path, user, &place, error);

	if (err)
		return err;
	err = fstat(fd, &old) ? -errno : rotate_at(&place, &old, max_files);
	place_close(&place);
	if (err)
		error_set(error, err, "log %s: %s", path, strerror(-err));
	return err;
}

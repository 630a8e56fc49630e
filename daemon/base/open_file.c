/* SPDX-License-Identifier: Apache-2.0 */
#include "base/open_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 8 }; /* somebody makes and removes the file as we look */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFLNK:
		return "a symbolic link";
	default:
		return "a device";
	}
}

static int say_cannot_open(const struct place *place, int err, struct error *error)
{
	if (err == -EAGAIN)
		return error_set(error, err,
				 "%s%s: another process holds a lease on it (fcntl(2)); end that "
				 "process, or name another file",
				 place->what, place->path);
	return error_set(error, err, "%s%s: %s", place->what, place->path, strerror(-err));
}

/* Devices are root's to make; that none has been linked here is known only in a directory of root's. */
static int check_opened(const struct place *place, int fd, struct error *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return say_cannot_open(place, -errno, error);
	if (!S_ISREG(st.st_mode) &&
	    !(S_ISCHR(st.st_mode) && place_is_root(place->owner) && !place->is_shared))
		return error_set(error, S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL,
				 "%s%s: is %s; name a regular file", place->what, place->path,
				 kind_of(st.st_mode));
	return place_check(place, st.st_uid, st.st_nlink, error);
}

/*
 * What is there is looked at through a descriptor that can do nothing else, and then that very file is
 * opened: a device is not disturbed, a FIFO not waited for, and nothing can be exchanged in between.
 */
static int open_there(const struct place *place, int flags, struct error *error)
{
	int path = openat(place->dir, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err, fd;
	char link[64];

	if (path < 0)
		return say_cannot_open(place, -errno, error);
	err = check_opened(place, path, error);
	if (err) {
		close(path);
		return err;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", path);
	fd = open(link, (flags & ~O_CREAT) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fd = say_cannot_open(place, -errno, error);
	close(path);
	return fd;
}

/* DANGER: until it has its owner it is one that is refused: see is_unfinished(). */
static int give_to_owner(const struct place *place, int fd, struct error *error)
{
	uid_t owner = place_owner(place);
	int err;

	if (owner == geteuid() || !fchown(fd, owner, -1))
		return 0;
	err = say_cannot_open(place, -errno, error);
	unlinkat(place->dir, place->name, 0);
	return err;
}

static int create_file(const struct place *place, int flags, struct error *error)
{
	int fd = openat(place->dir, place->name, flags | O_EXCL | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
			0640),
	    err;

	if (fd < 0)
		return say_cannot_open(place, -errno, error);
	err = give_to_owner(place, fd, error);
	if (err)
		close(fd);
	return err ? err : fd;
}

/*
 * Left by who was killed before it had given the file to its owner.  It is empty, and whoever could have put it
 * there can remove it as well: nobody loses or gains by that.
 */
static bool is_unfinished(const struct place *place)
{
	struct stat st;

	return !fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	       !st.st_size && st.st_nlink == 1 && place_is_root(st.st_uid) &&
	       st.st_uid != place_owner(place);
}

static bool remove_unfinished(const struct place *place)
{
	return is_unfinished(place) && !unlinkat(place->dir, place->name, 0);
}

int open_file_at(const struct place *place, int flags, struct error *error)
{
	int fd = -ENOENT;

	for (int i = 0; i < TRIES; i++) {
		fd = open_there(place, flags, error);
		if (!(flags & O_CREAT))
			break;
		if (fd != -ENOENT && !(fd == -EPERM && remove_unfinished(place)))
			break;
		fd = create_file(place, flags, error);
		if (fd != -EEXIST)
			break;
	}
	return fd;
}

int open_file(const char *what, const char *path, int flags, uid_t user, struct error *error)
{
	struct place place;
	int fd = place_find(what, path, user, &place, error);

	if (fd)
		return fd;
	fd = open_file_at(&place, flags, error);
	place_close(&place);
	return fd;
}

static int check_place(const struct place *place, struct error *error)
{
	int path = openat(place->dir, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC), err = 0;

	if (path >= 0) {
		err = check_opened(place, path, error);
		close(path);
		if (err == -EPERM && is_unfinished(place))
			err = 0;
	} else if (errno != ENOENT || faccessat(place->dir, ".", W_OK | X_OK, AT_EACCESS)) {
		err = say_cannot_open(place, -errno, error);
	}
	return err;
}

int open_file_check(const char *what, const char *path, uid_t user, struct error *error)
{
	struct place place;
	int err = place_find(what, path, user, &place, error);

	if (err)
		return err;
	err = check_place(&place, error);
	place_close(&place);
	return err;
}

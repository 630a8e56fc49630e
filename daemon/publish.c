/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"

enum { ASIDE_BYTES = sizeof(((struct place *)NULL)->name) + sizeof(".new") };

/* Whose the new file is to be, and who may do what with it. */
struct rights {
	mode_t mode;
	uid_t owner;
	gid_t group;
};

static int find_rights(const struct place *place, bool keep, struct rights *rights)
{
	struct stat st;

	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (keep && S_ISREG(st.st_mode))
		*rights = (struct rights){st.st_mode & 07777, st.st_uid, st.st_gid};
	return 0;
}

/* Before a byte is in it: nobody reads what the old file would not have shown. */
static int set_rights(int fd, const struct rights *rights)
{
	if ((rights->owner != geteuid() || rights->group != getegid()) &&
	    fchown(fd, rights->owner, rights->group))
		return -errno;
	return fchmod(fd, rights->mode) ? -errno : 0;
}

static int fill(int fd, const struct rights *rights, publish_print *print, const void *arg)
{
	int err = set_rights(fd, rights);
	FILE *file = err ? NULL : fdopen(fd, "w");

	if (!file) {
		err = err ? err : -ENOMEM;
		close(fd);
		return err;
	}
	print(file, arg);
	if (ferror(file) || fflush(file) || fsync(fileno(file)))
		err = errno ? -errno : -EIO;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

/* The new name is on the disk when its directory is. */
static int sync_directory(const struct place *place)
{
	int fd = openat(place->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	/* Some file systems have nothing to do there, and say so. */
	err = fsync(fd) && errno != EINVAL ? -errno : 0;
	close(fd);
	return err;
}

static int replace(const struct place *place, const struct rights *rights, publish_print *print,
		   const void *arg)
{
	char aside[ASIDE_BYTES];
	int fd, err;

	snprintf(aside, sizeof(aside), "%s.new", place->name);
	/* Of one that was killed at it. */
	if (unlinkat(place->dir, aside, 0) && errno != ENOENT)
		return -errno;
	fd = openat(place->dir, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	err = fill(fd, rights, print, arg);
	if (!err && renameat(place->dir, aside, place->dir, place->name))
		err = -errno;
	if (err) {
		unlinkat(place->dir, aside, 0);
		return err;
	}
	return sync_directory(place);
}

static int write_at(const char *what, const char *path, struct rights rights, bool keep,
		    publish_print *print, const void *arg, struct error *error)
{
	struct place place;
	int err = place_find(what, path, geteuid(), &place, error);

	if (err)
		return err;
	err = find_rights(&place, keep, &rights);
	if (!err)
		err = replace(&place, &rights, print, arg);
	place_close(&place);
	if (err)
		error_set(error, err, "%s%s: cannot be written: %s", what, path, strerror(-err));
	return err;
}

int publish(const char *what, const char *path, mode_t mode, publish_print *print, const void *arg,
	    struct error *error)
{
	return write_at(what, path, (struct rights){mode, geteuid(), getegid()}, false, print, arg,
			error);
}

int publish_over(const char *what, const char *path, mode_t mode, publish_print *print,
		 const void *arg, struct error *error)
{
	return write_at(what, path, (struct rights){mode, geteuid(), getegid()}, true, print, arg,
			error);
}

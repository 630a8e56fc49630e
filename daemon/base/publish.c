/* SPDX-License-Identifier: Apache-2.0 */
#include "base/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/place.h"

struct publication {
	struct place place;
	char aside[sizeof(((struct place *)NULL)->name) + sizeof("..new")]; /* "": none is there */
};

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

static int fill_file(int fd, const struct rights *rights, publish_print *print, const void *arg)
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

/* DANGER: an `include` whose pattern is a bare * would read it beside the old one: patterns pass over hidden names. */
static void name_aside(struct publication *publication)
{
	snprintf(publication->aside, sizeof(publication->aside), ".%s.new",
		 publication->place.name);
}

static void remove_aside(struct publication *publication)
{
	if (*publication->aside)
		unlinkat(publication->place.dir, publication->aside, 0);
	*publication->aside = '\0';
}

static int write_aside(struct publication *publication, const struct rights *rights,
		       publish_print *print, const void *arg)
{
	const int dir = publication->place.dir;
	int fd, err;

	name_aside(publication);
	/* Of one that was killed at it. */
	if (unlinkat(dir, publication->aside, 0) && errno != ENOENT)
		return -errno;
	fd = openat(dir, publication->aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	errno = 0;
	err = fill_file(fd, rights, print, arg);
	if (err)
		remove_aside(publication);
	return err;
}

static int say_cannot_publish(const struct publication *publication, const char *how, int err,
			      struct error *error)
{
	return err ? error_set(error, err, "%s%s: %s: %s", publication->place.what,
			       publication->place.path, how, strerror(-err))
		   : 0;
}

static int prepare_aside(struct publication *publication, const char *what, const char *path,
			 struct rights rights, bool keep, publish_print *print, const void *arg,
			 struct error *error)
{
	int err = place_find(what, path, geteuid(), &publication->place, error);

	if (err)
		return err;
	err = find_rights(&publication->place, keep, &rights);
	if (!err)
		err = write_aside(publication, &rights, print, arg);
	if (err)
		place_close(&publication->place);
	return say_cannot_publish(publication, "cannot be written", err, error);
}

int publish_put(struct publication *publication, struct error *error)
{
	const struct place *place = &publication->place;

	if (renameat(place->dir, publication->aside, place->dir, place->name))
		return say_cannot_publish(publication, "cannot be written", -errno, error);
	*publication->aside = '\0';
	return 0;
}

int publish_sync(const struct publication *publication, struct error *error)
{
	return say_cannot_publish(publication,
				  "is written, and may not outlive a crash of the host",
				  sync_directory(&publication->place), error);
}

static void finish_publication(struct publication *publication)
{
	remove_aside(publication);
	place_close(&publication->place);
}

int publish(const char *what, const char *path, mode_t mode, publish_print *print, const void *arg,
	    struct error *error)
{
	const struct rights rights = {mode, geteuid(), getegid()};
	struct publication publication;
	int err = prepare_aside(&publication, what, path, rights, false, print, arg, error);

	if (err)
		return err;
	err = publish_put(&publication, error);
	if (!err)
		err = publish_sync(&publication, error);
	finish_publication(&publication);
	return err;
}

int publish_prepare(const char *path, mode_t mode, publish_print *print, const void *arg,
		    struct publication **publication, struct error *error)
{
	const struct rights rights = {mode, geteuid(), getegid()};
	struct publication *prepared = malloc(sizeof(*prepared));
	int err = prepared ? prepare_aside(prepared, "", path, rights, true, print, arg, error)
			   : error_set(error, -ENOMEM, "%s: out of memory", path);

	if (err)
		free(prepared);
	else
		*publication = prepared;
	return err;
}

void publish_end(struct publication *publication)
{
	if (!publication)
		return;
	finish_publication(publication);
	free(publication);
}

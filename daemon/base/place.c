/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel's own */

struct walk {
	struct place *place;
	struct error *error;
	char rest[PATH_MAX]; /* still to be walked */
	unsigned links;
};

bool place_is_root(uid_t user)
{
	return user == 0 || user == geteuid();
}

const char *place_user(uid_t user, char text[PLACE_USER_BYTES])
{
	const struct passwd *entry = getpwuid(user);

	if (entry)
		snprintf(text, PLACE_USER_BYTES, "%s", entry->pw_name);
	else
		snprintf(text, PLACE_USER_BYTES, "uid %u", user);
	return text;
}

/* Of a descriptor, as the kernel knows it now. */
static void name_of(int fd, char *text, size_t room)
{
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, text, room - 1);
	text[length > 0 ? length : 0] = 0;
}

static int place_fail(const struct walk *walk, int err)
{
	return error_set(walk->error, err, "%s%s: %s", walk->place->what, walk->place->path,
			 strerror(-err));
}

/* Out of root's hands: from here on its owner decides what is there. */
static void note_owner(struct place *place, int fd, uid_t owner)
{
	if (!place_is_root(place->owner) || place_is_root(owner))
		return;
	place->owner = owner;
	name_of(fd, place->where, sizeof(place->where));
}

static void enter_directory(struct place *place, int fd, const struct stat *st)
{
	if (place->dir >= 0)
		close(place->dir);
	place->dir = fd;
	note_owner(place, fd, st->st_uid);
	place->is_shared = st->st_mode & (S_IWGRP | S_IWOTH);
	place->is_sticky = st->st_mode & S_ISVTX;
	place->was_shared |= place->is_shared && !place->is_sticky;
}

/* Opens the directory that the rest starts at, and takes the slashes off. */
static int start_walk(struct walk *walk)
{
	bool is_absolute = *walk->rest == '/';
	int fd = open(is_absolute ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return place_fail(walk, -errno);
	if (fstat(fd, &st)) {
		close(fd);
		return place_fail(walk, -errno);
	}
	enter_directory(walk->place, fd, &st);
	return 0;
}

/* What is walked next is what the link says, and then the rest. */
static int follow_link(struct walk *walk, int fd, const struct stat *st)
{
	struct place *place = walk->place;
	char target[PATH_MAX];
	ssize_t length = readlinkat(fd, "", target, sizeof(target) - 1);
	size_t rest = strlen(walk->rest);

	if (length < 0)
		return place_fail(walk, -errno);
	if (++walk->links > LINKS_MAX)
		return place_fail(walk, -ELOOP);
	if (length + rest + 2 > sizeof(walk->rest))
		return place_fail(walk, -ENAMETOOLONG);
	/* A link of root's may have been put into a directory that others may write, as a hard link. */
	if (place_is_root(place->owner) && place->is_shared && st->st_nlink > 1)
		return error_set(walk->error, -EPERM,
				 "%s%s: a symbolic link on the way has %lu names, and others may "
				 "write its directory; name the file itself",
				 place->what, place->path, (unsigned long)st->st_nlink);
	note_owner(place, fd, st->st_uid);
	place->is_led |= !place_is_root(place->owner);
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, target, length);
	walk->rest[length] = '/';
	if (!rest)
		walk->rest[length] = 0; /* the last component stays the last one */
	return *target == '/' ? start_walk(walk) : 0;
}

/* Takes the next component off the rest; -ENOENT: there is none. */
static int take_component(struct walk *walk, char name[NAME_MAX + 1])
{
	const char *at = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(at, "/");

	if (!length)
		return -ENOENT;
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(name, at, length);
	name[length] = 0;
	at += length;
	memmove(walk->rest, at, strlen(at) + 1);
	return 0;
}

static int refuse_link(const struct walk *walk)
{
	const struct place *place = walk->place;
	char user[PLACE_USER_BYTES];

	return error_set(walk->error, -EPERM,
			 "%s%s: is a symbolic link, and %s, to whom %s belongs, can make it lead "
			 "to any file; name the file itself",
			 place->what, place->path, place_user(place->owner, user), place->where);
}

/* One component, which may be the last one; 1: it was. */
static int walk_component(struct walk *walk)
{
	struct place *place = walk->place;
	int err = take_component(walk, place->name), fd;
	bool is_last = !*walk->rest;
	struct stat st;

	if (err)
		return place_fail(walk, err == -ENOENT ? -EISDIR : err);
	fd = openat(place->dir, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return is_last && errno == ENOENT ? 1 : place_fail(walk, -errno);
	if (fstat(fd, &st)) {
		err = place_fail(walk, -errno);
	} else if (S_ISLNK(st.st_mode)) {
		err = is_last && !place_is_root(place->owner) ? refuse_link(walk)
							      : follow_link(walk, fd, &st);
	} else if (is_last) {
		err = 1;
	} else if (!S_ISDIR(st.st_mode)) {
		err = place_fail(walk, -ENOTDIR);
	} else {
		enter_directory(place, fd, &st);
		return 0;
	}
	close(fd);
	return err;
}

static bool is_theirs(const struct place *place, uid_t owner)
{
	/* A link of one user's must not lead to another one's file, not even to the worker's user's. */
	return owner == place->owner ||
	       (owner == place->user && !place_is_root(owner) && !place->is_led);
}

/* The last directory, where somebody else has decided which one it is. */
static int check_directory(const struct walk *walk)
{
	const struct place *place = walk->place;
	char user[PLACE_USER_BYTES], other[PLACE_USER_BYTES], dir[128];
	struct stat st;

	if (place_is_root(place->owner))
		return 0;
	if (fstat(place->dir, &st))
		return place_fail(walk, -errno);
	if (is_theirs(place, st.st_uid))
		return 0;
	name_of(place->dir, dir, sizeof(dir));
	return error_set(walk->error, -EPERM,
			 "%s%s: %s belongs to %s, but %s, to whom %s belongs, could have put "
			 "another directory there; give one of them to the other's owner",
			 place->what, place->path, dir, place_user(st.st_uid, other),
			 place_user(place->owner, user), place->where);
}

int place_find(const char *what, const char *path, uid_t user, struct place *place,
	       struct error *error)
{
	struct walk walk = {.place = place, .error = error};
	size_t length = strlen(path);
	int err;

	*place = (struct place){.dir = -1, .what = what, .path = path, .user = user};
	if (length >= sizeof(walk.rest))
		return place_fail(&walk, -ENAMETOOLONG);
	memcpy(walk.rest, path, length + 1);
	err = start_walk(&walk);
	while (!err)
		err = walk_component(&walk);
	if (err > 0)
		err = check_directory(&walk);
	if (err)
		place_close(place);
	return err;
}

void place_close(struct place *place)
{
	if (place->dir >= 0)
		close(place->dir);
	place->dir = -1;
}

static int compare_places(const struct place *a, const struct place *b, bool *is_same)
{
	struct stat dir_a, dir_b;

	if (fstat(a->dir, &dir_a) || fstat(b->dir, &dir_b))
		return -errno;
	*is_same = dir_a.st_dev == dir_b.st_dev && dir_a.st_ino == dir_b.st_ino &&
		   !strcmp(a->name, b->name);
	return 0;
}

int place_is_same(const char *what, const char *path, const char *other, bool *is_same,
		  struct error *error)
{
	struct place a, b = {.dir = -1};
	int err = place_find(what, path, geteuid(), &a, error);

	if (!err)
		err = place_find("", other, geteuid(), &b, error);
	if (!err) {
		err = compare_places(&a, &b, is_same);
		if (err)
			error_set(error, err, "%s%s: %s", what, path, strerror(-err));
	}
	place_close(&a);
	place_close(&b);
	return err;
}

/* Nobody but root can have put it there. */
static bool is_roots(const struct place *place)
{
	return place_is_root(place->owner) && !place->is_shared;
}

static bool may_be_there(const struct place *place, uid_t owner)
{
	if (!place_is_root(place->owner))
		return is_theirs(place, owner);
	if (owner == place->user)
		return true;
	return place_is_root(owner) && (place->is_sticky || place_is_root(place->user));
}

uid_t place_owner(const struct place *place)
{
	bool is_users = !place_is_root(place->user) && !place->is_led;

	if (!place_is_root(place->owner))
		return is_users ? place->user : place->owner;
	return place->is_shared && !place->is_sticky && is_users ? place->user : geteuid();
}

/* "www-data, to whom /srv/app belongs," or "others, who may write its directory," */
static const char *describe_changer(const struct place *place, char text[256])
{
	char user[PLACE_USER_BYTES];

	if (place_is_root(place->owner))
		return "others, who may write its directory,";
	snprintf(text, 256, "%s, to whom %s belongs,", place_user(place->owner, user),
		 place->where);
	return text;
}

int place_check(const struct place *place, uid_t owner, nlink_t links, struct error *error)
{
	char found[PLACE_USER_BYTES], wanted[PLACE_USER_BYTES], others[256];

	if (is_roots(place))
		return 0;
	if (!may_be_there(place, owner))
		return error_set(error, -EPERM,
				 "%s%s: belongs to %s, and %s could have put it there; chown it "
				 "to %s, or move it to a directory that only root may write",
				 place->what, place->path, place_user(owner, found),
				 describe_changer(place, others),
				 place_user(place_owner(place), wanted));
	if (links > 1)
		return error_set(error, -EPERM,
				 "%s%s: has %lu names (hard links), and %s could have made them of "
				 "any file; remove the others, or name another file",
				 place->what, place->path, (unsigned long)links,
				 describe_changer(place, others));
	return 0;
}

int place_check_root(const struct place *place, const char *danger, struct error *error)
{
	char others[256];

	if (place_is_root(place->owner) && !place->is_shared)
		return 0;
	return error_set(error, -EPERM, "%s%s: %s %s; name one in a directory of root's",
			 place->what, place->path, describe_changer(place, others), danger);
}

/* A walk that failed has got as far as the place says. */
bool place_is_closed(const char *path)
{
	struct error ignored;
	struct place place;
	struct stat st;
	int err = place_find("", path, geteuid(), &place, &ignored);
	bool is_closed = is_roots(&place) && !place.was_shared;

	if (!err && !fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW))
		is_closed &= place_is_root(st.st_uid) && !(st.st_mode & (S_IWGRP | S_IWOTH));
	place_close(&place);
	return is_closed;
}

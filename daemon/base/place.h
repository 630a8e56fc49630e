/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a path leads, and who could have made it lead somewhere else.
 *
 * lbd is root and is told paths in directories that others may write: a symbolic or hard link that is
 * planted there would have root append to, empty or show any file.  So a path is walked component by
 * component, by descriptors, and by one rule:
 *
 *   While each directory and symbolic link on the way is root's, nobody else has chosen what is there.
 *   From the first that belongs to another user, that user could have: the last directory and the file
 *   must be that user's own, or the user's for whom lbd acts (the worker's), and no symbolic link.  In a
 *   directory of root's that others may write, the file must be the worker's user's; in one that is
 *   sticky besides (/tmp), root's or the worker's user's.
 *
 * "Root" stands for the user that the program runs as, too.  It is the rule of systemd's CHASE_SAFE, with the
 * worker's user added.  What a path leads to is used by the descriptor of its directory from then on.
 */
#ifndef LB_PLACE_H
#define LB_PLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct place {
	int dir;                   /* O_PATH, of the last directory; -1: closed */
	char name[NAME_MAX + 1];   /* in it */
	const char *what, *path;   /* as messages begin: "log ", "/srv/app/log"; the caller's */
	uid_t user;                /* for whom lbd acts */
	uid_t owner;               /* who could have chosen what is there; root: nobody else */
	char where[128];           /* the first that belongs to that owner */
	bool is_led;               /* by a symbolic link of the owner's */
	bool is_shared, is_sticky; /* a directory of root's that others may write */
	bool was_shared;           /* one on the way, not sticky */
};

/*
 * The file need not be there.  what and path are kept, not copied.  -errno with a line that begins
 * with them, -EPERM where the rule is broken, which names who could change what, and the remedy.
 */
int place_find(const char *what, const char *path, uid_t user, struct place *place,
	       struct error *error);
void place_close(struct place *place);

/*
 * Whether two paths are one file, which need not be there: texts differ where a symbolic link is on the way.  -errno
 * with a line.
 */
int place_is_same(const char *what, const char *path, const char *other, bool *is_same,
		  struct error *error);

/* Whether a file of this owner, with so many links, may be there.  -EPERM with a line. */
int place_check(const struct place *place, uid_t owner, nlink_t links, struct error *error);

/* Whom a file that lbd makes there is to belong to. */
uid_t place_owner(const struct place *place);

/* Only root may put anything there: not in /tmp.  -EPERM with a line that names who else can, and what for. */
int place_check_root(const struct place *place, const char *danger, struct error *error);

/*
 * Whether nobody but root can have made the path what it is: the file, or that it is not there.  A
 * directory on the way that others may write leaves that open, a sticky one as long as it is the last.
 */
bool place_is_closed(const char *path);

/* root, or whoever this program runs as */
bool place_is_root(uid_t user);

/* The name of a user, or the number; text has room for it. */
enum { PLACE_USER_BYTES = 40 };
const char *place_user(uid_t user, char text[PLACE_USER_BYTES]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to write a file that others read: a new one beside it, on the disk before it takes the old
 * one's name, in one step.  Whoever reads gets the old one or the new one, and so does a crash.  In a
 * directory that place.h allows.
 */
#ifndef LB_PUBLISH_H
#define LB_PUBLISH_H

#include <stdio.h>
#include <sys/types.h>

#include "base/error.h"

typedef void publish_print(FILE *file, const void *arg);

/*
 * With this mode, and ours.  what and path begin the line of a failure ("pid_file ", path), after which
 * the old file is as it was.  -errno.
 */
int publish(const char *what, const char *path, mode_t mode, publish_print *print, const void *arg,
	    struct error *error);

/*
 * The same in steps, for several files of which none may be found changed alone: all are prepared before the first is
 * put in place.  With mode, owner and group of the file that is there; mode where there is none.
 */
struct publication;

/* Writes it beside the old one, and on the disk; path is kept, not copied.  -errno with a line. */
int publish_prepare(const char *path, mode_t mode, publish_print *print, const void *arg,
		    struct publication **publication, struct error *error);

/* It takes the old one's name.  -errno with a line, after which the old one is there. */
int publish_put(struct publication *publication, struct error *error);

/* So that the name outlives a crash of the host.  -errno with a line. */
int publish_sync(const struct publication *publication, struct error *error);

void publish_end(struct publication *publication); /* one not put goes; takes NULL */

#endif

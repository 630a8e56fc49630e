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

#include "error.h"

typedef void publish_print(FILE *file, const void *arg);

/*
 * With this mode, and ours.  what and path begin the line of a failure ("pid_file ", path), after which
 * the old file is as it was.  -errno.
 */
int publish(const char *what, const char *path, mode_t mode, publish_print *print, const void *arg,
	    struct error *error);

/* With mode, owner and group of the file that it replaces; mode where there is none. */
int publish_over(const char *what, const char *path, mode_t mode, publish_print *print,
		 const void *arg, struct error *error);

#endif

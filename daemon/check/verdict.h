/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To whom a check tells what it finds, and whether that is an error or a warning: by whether somebody but root can
 * have made it so.
 */
#ifndef LB_CHECK_VERDICT_H
#define LB_CHECK_VERDICT_H

#include "base/error.h"

/* Who asked. */
struct launch_warn {
	void (*tell)(void *arg, const char *line);
	/* NULL: the first error ends it.  Else each is told here as well, and the next is looked for. */
	void (*refuse)(void *arg, const char *line);
	void *arg;
};

/* err with its line, or 0 where it is told and others are looked for, too. */
int launch_refuse(int err, const struct launch_warn *warn, const struct error *error);

/* The same of what was found at path; 0 and a warning where others than root may write there (place.h). */
int launch_judge(const char *path, int err, const struct launch_warn *warn,
		 const struct error *error);

#endif

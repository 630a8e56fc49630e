/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lbd's own program is: the path that it was started by, which is where a new version is put.
 * /proc/self/exe would not do: after an installation it names the file that was removed.
 */
#ifndef LB_PROGRAM_H
#define LB_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>

/* Once, at the start: a relative path is of the directory that this is called in. */
void program_find(void);

const char *program_path(void); /* absolute */

/*
 * Does root run it as this process, in this or another version?  All of its users are root, and its file is ours,
 * or one of our name that has no set-user-ID bit: a program that has one is root's, too, while it holds and is
 * told whatever a stranger likes.  What else is after the name (lbd.old, lbd-1.2, and what proc(5) says of a file
 * that was removed) does not count.
 */
bool program_is_of(pid_t pid);

#endif

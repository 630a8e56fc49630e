/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lbd's own program is: the path that it was started by, which is where a new version is put.
 * /proc/self/exe would not do: after an installation it names the file that was removed.
 */
#ifndef LB_PROGRAM_H
#define LB_PROGRAM_H

/* Once, at the start: a relative path is of the directory that this is called in. */
void program_find(void);

const char *program_path(void); /* absolute */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Old files of a log: FILE.1 is the youngest of FILE.1 ... FILE.N.  Stateless. */
#ifndef LB_ROTATE_H
#define LB_ROTATE_H

#include <sys/types.h>

#include "base/error.h"

/*
 * Moves path, open as fd, to path.1, path.1 to path.2 and so on as far as there is one, and drops what is beyond
 * max_files; with max_files 0 path itself is removed.  A new path has the owner, group and mode of the old one, and
 * takes its name in one step: whoever is killed here leaves the old or the new.  Whoever has path open writes on to
 * the old file until it opens anew.  All in the directory that place.h allows for user.  -errno with a line, after
 * which path is what it was; a missing file is none.
 */
int rotate_files(const char *path, int fd, unsigned max_files, uid_t user, struct error *error);

#endif

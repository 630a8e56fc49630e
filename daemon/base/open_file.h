/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one way to open a file whose path others may touch: see place.h for whose it may be.  Never waits: a
 * FIFO, a socket or a file under somebody's lease is refused.  A device only where root alone can have
 * put it (/dev/null).
 */
#ifndef LB_OPEN_FILE_H
#define LB_OPEN_FILE_H

#include <fcntl.h>

#include "base/place.h"

/*
 * flags: O_RDONLY, O_WRONLY or O_RDWR, with O_APPEND and O_CREAT (mode 0640; owner: place_owner(); for it an empty
 * file of root's that may not be there is removed).  Never O_TRUNC: what is there is checked before.  A descriptor,
 * close-on-exec and non-blocking, or -errno with a line that begins with what and the path.
 */
int open_file(const char *what, const char *path, int flags, uid_t user, struct error *error);

/* Whether such a file could be written, if need be made; opens and makes nothing.  As open_file(). */
int open_file_check(const char *what, const char *path, uid_t user, struct error *error);

/* The same at a place that was found before. */
int open_file_at(const struct place *place, int flags, struct error *error);

#endif

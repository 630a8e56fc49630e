/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a text file that user may have written: whose it may be, see place.h. */
#ifndef LB_TAIL_H
#define LB_TAIL_H

#include <sys/types.h>

/* Its last lines, at most so many and 16 KiB, newly allocated; NULL: empty, or cannot be read. */
char *tail_lines(const char *path, unsigned lines, uid_t user);

#endif

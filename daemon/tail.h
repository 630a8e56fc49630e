/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a text file. */
#ifndef LB_TAIL_H
#define LB_TAIL_H

/* Its last lines, at most so many and 16 KiB, newly allocated; NULL: empty, or cannot be read. */
char *tail_lines(const char *path, unsigned lines);

#endif

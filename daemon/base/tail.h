/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a text file that user may have written: whose it may be, see place.h. */
#ifndef LB_TAIL_H
#define LB_TAIL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An end that it has had. */
struct tail_mark {
	uint64_t inode; /* 0: there was no such file */
	uint64_t size;
};

struct tail_mark tail_mark(const char *path, uid_t user);

/*
 * Its last lines, at most so many and 16 KiB, newly allocated, *bytes of them (NUL among them); NULL: empty, or
 * cannot be read.  since: only what has been added after that (all of another file, or of one that is shorter now),
 * or NULL.
 */
char *tail_lines(const char *path, unsigned lines, uid_t user, const struct tail_mark *since,
		 size_t *bytes);

#endif

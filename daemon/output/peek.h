/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a FIFO holds is read twice: looked at first, and taken off when it is where it belongs (output/flow.h).
 * Owns a pipe and its bytes, one for all FIFOs: the event loop is in one at a time.
 */
#ifndef LB_OUTPUT_PEEK_H
#define LB_OUTPUT_PEEK_H

#include <stddef.h>
#include <sys/types.h>

enum { OUTPUT_PIPE_BYTES = 1 << 20 }; /* of a FIFO: what a worker may write while no lbd reads */

struct output_peek {
	const char *text; /* until the next call */
	size_t bytes;
	size_t unreadable; /* that follow: what cannot be read and what is behind it, up to the bound of a look */
	int err; /* -errno, why.  When nothing is unreadable: nothing could be looked at, just now; see shortage.h */
};

/* Opens the pipe, for where there may be no descriptor left by then.  -errno. */
int output_peek_prepare(void);

/*
 * Copies what the FIFO holds, up to 256 KiB, and leaves it there.  Danger: a worker can splice(2) pages of a file
 * into it that nobody can read, now or any more: of a FUSE file of its own (EIO), or cut off meanwhile (ENODATA).
 */
struct output_peek output_peek(int fifo);

/* Takes bytes off that have been looked at. */
void output_discard(int fifo, size_t bytes);

/* The same for bytes that cannot be read.  How many were taken, or -errno. */
ssize_t output_peek_drop(int fifo, size_t bytes);

#endif

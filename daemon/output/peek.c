/* SPDX-License-Identifier: Apache-2.0 */
#include "output/peek.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 << 10 }; /* looked at in one turn of the event loop */

/* Each call leaves the pipe empty, or closed: what stayed in it would be taken for another worker's. */
static struct {
	pid_t process; /* 0: it is closed.  A fork needs one of its own: bytes of both would mix in this one */
	int pipe[2];
	char bytes[CHUNK_BYTES], discarded[CHUNK_BYTES];
} own;

int output_peek_prepare(void)
{
	if (own.process == getpid())
		return 0;
	if (pipe2(own.pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	/* As many slots as the FIFO, which may be filled with short writes. */
	fcntl(own.pipe[1], F_SETPIPE_SZ, OUTPUT_PIPE_BYTES);
	own.process = getpid();
	return 0;
}

/* All that is in it goes.  Where there is no memory for another, the next call tries again. */
static void renew_pipe(void)
{
	close(own.pipe[0]);
	close(own.pipe[1]);
	own.process = 0;
	output_peek_prepare();
}

struct output_peek output_peek(int fifo)
{
	struct output_peek peek = {.text = own.bytes, .err = output_peek_prepare()};
	ssize_t part, left = 0;

	if (!peek.err)
		left = tee(fifo, own.pipe[1], CHUNK_BYTES, SPLICE_F_NONBLOCK);
	while (left > 0 && !peek.err) {
		part = read(own.pipe[0], own.bytes + peek.bytes, left);
		if (part > 0) {
			peek.bytes += part;
			left -= part;
		} else {
			peek.err = part ? -errno : -EIO;
			peek.unreadable = left;
			renew_pipe();
		}
	}
	return peek;
}

void output_discard(int fifo, size_t bytes)
{
	/*
	 * Not splice(2) to /dev/null: when lbd is killed that ends anywhere, and the next lbd would begin
	 * within a line that is written already.  read(2) takes all that is there or nothing.
	 */
	while (bytes) {
		ssize_t n = read(fifo, own.discarded, bytes < CHUNK_BYTES ? bytes : CHUNK_BYTES);

		if (n <= 0)
			return;
		bytes -= n;
	}
}

/* From a pipe to another the kernel passes pages on unread; nothing else takes these off. */
ssize_t output_peek_drop(int fifo, size_t bytes)
{
	ssize_t n = output_peek_prepare();

	if (n)
		return n;
	n = splice(fifo, NULL, own.pipe[1], NULL, bytes, SPLICE_F_NONBLOCK);
	if (n < 0)
		n = -errno;
	renew_pipe();
	return n;
}

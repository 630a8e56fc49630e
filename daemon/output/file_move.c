/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a FIFO to a file that lbd alone appends to.  splice(2) moves bytes in one step: when lbd is
 * killed within it, each byte is in the file or still in the FIFO, and the next lbd goes on there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shortage.h"
#include "output/file.h"
#include "output/loss.h"
#include "output/peek.h"

enum { LINES_AT_ONCE = 256, STAMP_BYTES = 40 };

/*
 * As many whole lines as the file has room for.  A line that has none begins the next file, and may be longer
 * than a file; of one that is longer than OUTPUT_LINE_BYTES the rest is split, or a worker that ends no line would have
 * no bound.  0: not here, but in the next file.
 */
static size_t bytes_that_fit(const struct output_file *file, const char *text, size_t bytes,
			     off_t size)
{
	uint64_t max = file->conf.max_bytes, room = (uint64_t)size < max ? max - size : 0, whole;
	const char *end;
	size_t line;

	if (!max || !file->is_regular || !output_file_may_rotate(file) || bytes <= room)
		return bytes;
	end = memrchr(text, '\n', room);
	if (end)
		return end + 1 - text;
	if (size && !file->unfinished)
		return 0;
	end = memchr(text, '\n', bytes);
	line = end ? (size_t)(end + 1 - text) : bytes;
	whole = file->unfinished < OUTPUT_LINE_BYTES ? OUTPUT_LINE_BYTES - file->unfinished : 0;
	if (whole < room)
		whole = room;
	return line < whole ? line : whole;
}

static ssize_t move_raw(struct output_file *file, int fifo, const char *text, size_t bytes,
			off_t size)
{
	loff_t at = size;
	ssize_t n = splice(fifo, NULL, file->fd, file->is_regular ? &at : NULL, bytes,
			   SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (n >= 0 || (errno != EINVAL && errno != ESPIPE))
		return n < 0 ? -errno : n;
	/* A device that cannot splice. */
	n = write(file->fd, text, bytes);
	if (n < 0)
		return -errno;
	output_discard(fifo, n);
	return n;
}

static size_t format_stamp(char *stamp)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(stamp, STAMP_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
	return used + snprintf(stamp + used, STAMP_BYTES - used, ".%03ld ", now.tv_nsec / 1000000);
}

/* Some lines each call, written whole or not at all; each piece of one that is too long is a line of its own. */
static ssize_t move_prefixed(struct output_file *file, int fifo, const char *text, size_t bytes,
			     off_t size)
{
	struct iovec vector[LINES_AT_ONCE * 2 + 1];
	size_t taken = 0, wanted = 0, stamp_bytes;
	char stamp[STAMP_BYTES];
	int count = 0;
	ssize_t n;

	stamp_bytes = format_stamp(stamp);
	while (taken < bytes && count < LINES_AT_ONCE * 2) {
		const char *end = memchr(text + taken, '\n', bytes - taken);
		size_t line = end ? (size_t)(end + 1 - text) - taken : bytes - taken;

		vector[count++] = (struct iovec){stamp, stamp_bytes};
		vector[count++] = (struct iovec){(char *)text + taken, line};
		taken += line;
		wanted += stamp_bytes + line;
	}
	if (text[taken - 1] != '\n') {
		vector[count++] = (struct iovec){(char *)"\n", 1};
		wanted++;
	}
	n = file->is_regular ? pwritev(file->fd, vector, count, size)
			     : writev(file->fd, vector, count);
	if (n >= 0 && (size_t)n < wanted && file->is_regular && ftruncate(file->fd, size))
		return -EIO;
	if (n < 0 || (size_t)n < wanted)
		return n < 0 ? -errno : -ENOSPC;
	output_discard(fifo, taken);
	return taken;
}

static void note_line(struct output_file *file, const char *text, size_t bytes)
{
	const char *end = file->conf.prefix ? NULL : memrchr(text, '\n', bytes);

	if (end)
		file->unfinished = text + bytes - (end + 1);
	else if (!file->conf.prefix)
		file->unfinished += bytes;
}

/* 0: rotated, to be tried again. */
static ssize_t move_part(struct output_file *file, int fifo, const char *text, size_t bytes,
			 struct error *error)
{
	struct stat st = {0};
	int err = output_file_ready(file, &st, error);
	size_t part;
	ssize_t n;

	if (err)
		return err;
	part = bytes_that_fit(file, text, bytes, st.st_size);
	if (!part) {
		output_file_rotate(file);
		return 0;
	}
	n = (file->conf.prefix ? move_prefixed : move_raw)(file, fifo, text, part, st.st_size);
	if (n > 0) {
		note_line(file, text, n);
		return n;
	}
	return error_set(error, n ? (int)n : -EIO, "log %s: %s", file->path,
			 strerror(n ? -(int)n : EIO));
}

static size_t move_bytes(void *sink, int fifo, const char *text, size_t bytes)
{
	struct output_file *file = sink;
	size_t done = 0;

	file->rotations = 0;
	while (done < bytes) {
		struct error error;
		char why[sizeof(error.text) + 32];
		ssize_t n = move_part(file, fifo, text + done, bytes - done, &error);

		if (n > 0) {
			file->lost = 0;
			output_loss_over(file->loss);
			done += n;
			continue;
		}
		if (!n)
			continue;
		snprintf(why, sizeof(why), "%s; what the worker writes", error.text);
		if (is_shortage((int)n)) {
			output_loss_wait(file->loss, why);
			break;
		}
		file->lost += bytes - done;
		output_loss_add(file->loss, why, bytes - done);
		output_discard(fifo, bytes - done);
		return bytes;
	}
	return done;
}

const struct output_sink output_file_sink = {output_file_open, move_bytes, output_file_end_line,
					     output_file_close, OUTPUT_SHORT_US};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a FIFO to a file that lbd alone appends to.  splice(2) moves bytes in one step: when lbd is
 * killed within it, each byte is in the file or still in the FIFO, and the next lbd goes on there.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "open_file.h"
#include "output_sink.h"
#include "rotate.h"
#include "shortage.h"

enum {
	LINES_AT_ONCE = 256,
	STAMP_BYTES = 40,
	SAY_AGAIN_S = 60,
	LINE_BYTES = 64 << 10, /* a longer line may be split over two files */
	ROTATIONS_MAX = 1000
};

struct output_file {
	LIST_ENTRY(output_file) link;
	char *path;
	struct conf_output conf;
	uid_t user; /* the worker's */
	int fd;
	bool is_regular;
	time_t stuck;       /* since when it cannot be rotated, or 0 */
	unsigned rotations; /* in this turn of the loop */
	size_t unfinished;  /* bytes of its last line, which goes on in the FIFO */
	time_t born;
	time_t said;
	size_t lost; /* bytes since it could not be written; > 0 while that lasts */
	bool waits;  /* for a descriptor, or memory */
};

/* All of this process. */
static struct {
	LIST_HEAD(, output_file) all;
} files;

struct output_file *output_file_new(const char *path, const struct conf_output *conf, uid_t user)
{
	struct output_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = -1;
	file->conf = *conf;
	file->user = user;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	LIST_INSERT_HEAD(&files.all, file, link);
	return file;
}

static void close_file(struct output_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

void output_file_free(struct output_file *file)
{
	if (!file)
		return;
	LIST_REMOVE(file, link);
	close_file(file);
	free(file->path);
	free(file);
}

/*
 * With no descriptor left, those of all other logs: none is in use now, and each file is opened anew when there is
 * something for it.  Whether there were any.
 */
static bool close_others(const struct output_file *file, int err)
{
	struct output_file *other;
	bool any = false;

	if (err != -EMFILE && err != -ENFILE)
		return false;
	LIST_FOREACH(other, &files.all, link)
	{
		if (other == file || other->fd < 0)
			continue;
		close_file(other);
		any = true;
	}
	return any;
}

/* An age counts from the file's birth, also when an earlier lbd made it. */
static void note_birth(struct output_file *file)
{
	struct statx stx;

	file->born = time(NULL);
	if (!statx(file->fd, "", AT_EMPTY_PATH, STATX_BTIME, &stx) && stx.stx_mask & STATX_BTIME)
		file->born = stx.stx_btime.tv_sec;
}

/* Of an unfinished last line of the file: its length, and how it begins. */
static size_t find_unfinished(const struct output_file *file, off_t size, char *text, size_t room)
{
	size_t bytes = size < (off_t)room ? (size_t)size : room;
	ssize_t n = pread(file->fd, text, bytes, size - bytes);
	const char *end = n > 0 ? memrchr(text, '\n', n) : NULL;

	if (n <= 0)
		return 0;
	if (end) {
		n -= end + 1 - text;
		memmove(text, end + 1, n);
	}
	return n;
}

static void end_line(struct output_file *file, struct stat *st)
{
	if (pwrite(file->fd, "\n", 1, st->st_size) == 1)
		st->st_size++;
}

/*
 * A full disk may have cut the last line: it is ended.  So may the death of an lbd: its rest is in the
 * FIFO, and goes on here before the file may be rotated.  With prefixes all of that line is still in
 * the FIFO: what is here of it is taken back.
 */
static void mend(struct output_file *file, struct stat *st)
{
	char text[LINE_BYTES];
	size_t bytes;

	file->unfinished = 0;
	if (!st->st_size || !file->is_regular)
		return;
	bytes = find_unfinished(file, st->st_size, text, sizeof(text));
	if (!bytes)
		return;
	if (!file->conf.prefix && !file->lost)
		file->unfinished = bytes;
	else if (file->conf.prefix && isdigit((unsigned char)*text) &&
		 !ftruncate(file->fd, st->st_size - bytes))
		st->st_size -= bytes;
	else
		end_line(file, st);
}

void output_file_end_line(struct output_file *file)
{
	struct stat st;
	char text[1];

	if (file->fd >= 0 && file->is_regular && !fstat(file->fd, &st) && st.st_size &&
	    find_unfinished(file, st.st_size, text, sizeof(text)))
		end_line(file, &st);
}

/* Not O_APPEND: splice(2) refuses it.  Nobody else writes there. */
static int open_log(const struct output_file *file, struct error *error)
{
	int fd = open_file("log ", file->path, O_RDWR | O_CREAT, file->user, error);

	if (fd < 0 && close_others(file, fd))
		fd = open_file("log ", file->path, O_RDWR | O_CREAT, file->user, error);
	return fd;
}

static int open_named(struct output_file *file, struct stat *st, struct error *error)
{
	file->fd = open_log(file, error);
	if (file->fd < 0)
		return file->fd;
	if (fstat(file->fd, st))
		return error_set(error, -errno, "log %s: %s", file->path, strerror(errno));
	file->is_regular = S_ISREG(st->st_mode);
	file->stuck = 0;
	note_birth(file);
	mend(file, st);
	return 0;
}

/* Tiny files do not keep the loop for long: what is beyond ROTATIONS_MAX in one turn goes into the last one. */
static bool may_rotate(const struct output_file *file)
{
	return file->rotations < ROTATIONS_MAX &&
	       (!file->stuck || time(NULL) - file->stuck >= SAY_AGAIN_S);
}

static bool is_due(const struct output_file *file, off_t size)
{
	const struct conf_output *conf = &file->conf;

	if (!file->is_regular || !size || !may_rotate(file) ||
	    (file->unfinished && file->unfinished < LINE_BYTES))
		return false;
	return (conf->max_bytes && (uint64_t)size >= conf->max_bytes) ||
	       (conf->max_age_s && time(NULL) - file->born >= (time_t)conf->max_age_s);
}

/* Better a file that is too large than none; tried again after a while. */
static void rotate(struct output_file *file)
{
	struct error error;
	int err = rotate_files(file->path, file->conf.max_files, file->user, &error);

	if (err && close_others(file, err))
		err = rotate_files(file->path, file->conf.max_files, file->user, &error);
	if (err)
		log_warning("cannot be rotated, and grows on: %s", error.text);
	else
		close_file(file);
	file->stuck = err ? time(NULL) : 0;
	file->rotations++;
}

/* Looks by name: a file that somebody moved or removed is left, and the name opened anew. */
static int ready(struct output_file *file, struct stat *st, struct error *error)
{
	struct stat named;
	int err = 0;

	if (file->fd >= 0 && (stat(file->path, &named) || fstat(file->fd, st) ||
			      named.st_ino != st->st_ino || named.st_dev != st->st_dev))
		close_file(file);
	if (file->fd < 0)
		err = open_named(file, st, error);
	else if (file->lost)
		mend(file, st);
	if (err || !is_due(file, st->st_size))
		return err;
	rotate(file);
	return file->fd < 0 ? open_named(file, st, error) : 0;
}

/*
 * As many whole lines as the file has room for.  A line that has none begins the next file, and may be longer
 * than a file; of one that is longer than LINE_BYTES the rest is split, or a worker that ends no line would have
 * no bound.  0: not here, but in the next file.
 */
static size_t fit(const struct output_file *file, const char *text, size_t bytes, off_t size)
{
	uint64_t max = file->conf.max_bytes, room = (uint64_t)size < max ? max - size : 0, whole;
	const char *end;
	size_t line;

	if (!max || !file->is_regular || !may_rotate(file) || bytes <= room)
		return bytes;
	end = memrchr(text, '\n', room);
	if (end)
		return end + 1 - text;
	if (size && !file->unfinished)
		return 0;
	end = memchr(text, '\n', bytes);
	line = end ? (size_t)(end + 1 - text) : bytes;
	whole = file->unfinished < LINE_BYTES ? LINE_BYTES - file->unfinished : 0;
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

static void say(struct output_file *file, const struct error *error, const char *what)
{
	time_t now = time(NULL);

	if (now - file->said < SAY_AGAIN_S)
		return;
	log_warning("%s; what the worker writes %s until that has changed", error->text, what);
	file->said = now;
}

static void note_failure(struct output_file *file, const struct error *error, size_t bytes)
{
	if (!file->lost)
		say(file, error, "is dropped");
	file->lost += bytes;
}

static void note_shortage(struct output_file *file, const struct error *error)
{
	if (!file->waits)
		say(file, error, "waits");
	file->waits = true;
}

static void note_success(struct output_file *file)
{
	if (file->lost || file->waits)
		log_info("log %s: written again; %zu bytes were lost", file->path, file->lost);
	file->lost = 0;
	file->waits = false;
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
	int err = ready(file, &st, error);
	size_t part;
	ssize_t n;

	if (err)
		return err;
	part = fit(file, text, bytes, st.st_size);
	if (!part) {
		rotate(file);
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

size_t output_file_move(struct output_file *file, int fifo, const char *text, size_t bytes)
{
	size_t done = 0;

	file->rotations = 0;
	while (done < bytes) {
		struct error error;
		ssize_t n = move_part(file, fifo, text + done, bytes - done, &error);

		if (n > 0) {
			note_success(file);
			done += n;
		} else if (is_shortage((int)n)) {
			note_shortage(file, &error);
			break;
		} else if (n < 0) {
			note_failure(file, &error, bytes - done);
			output_discard(fifo, bytes - done);
			return bytes;
		}
	}
	return done;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The file at a log's path: found, made, rotated, and its last line mended. */
#include "output/file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/open_file.h"
#include "base/rotate.h"

enum { ROTATIONS_MAX = 1000 };

/* All of this process. */
static struct {
	LIST_HEAD(, output_file) all;
} files;

void *output_file_open(const struct conf_output *conf, const struct output_target *target,
		       struct output_loss *loss)
{
	struct output_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->fd = -1;
	file->conf = *conf;
	file->user = target->user;
	file->loss = loss;
	file->path = strdup(target->path);
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

void output_file_close(void *sink)
{
	struct output_file *file = sink;

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
static void mend_file(struct output_file *file, struct stat *st)
{
	char text[OUTPUT_LINE_BYTES];
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

void output_file_end_line(void *sink)
{
	struct output_file *file = sink;
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
	mend_file(file, st);
	return 0;
}

/* Tiny files do not keep the loop for long: what is beyond ROTATIONS_MAX in one turn goes into the last one. */
bool output_file_may_rotate(const struct output_file *file)
{
	return file->rotations < ROTATIONS_MAX &&
	       (!file->stuck || time(NULL) - file->stuck >= OUTPUT_SAY_AGAIN_S);
}

static bool is_due(const struct output_file *file, off_t size)
{
	const struct conf_output *conf = &file->conf;

	if (!file->is_regular || !size || !output_file_may_rotate(file) ||
	    (file->unfinished && file->unfinished < OUTPUT_LINE_BYTES))
		return false;
	return (conf->max_bytes && (uint64_t)size >= conf->max_bytes) ||
	       (conf->max_age_s && time(NULL) - file->born >= (time_t)conf->max_age_s);
}

void output_file_rotate(struct output_file *file)
{
	struct error error;
	int err = rotate_files(file->path, file->fd, file->conf.max_files, file->user, &error);

	if (err && close_others(file, err))
		err = rotate_files(file->path, file->fd, file->conf.max_files, file->user, &error);
	if (err)
		log_warning("cannot be rotated, and grows on: %s", error.text);
	else
		close_file(file);
	file->stuck = err ? time(NULL) : 0;
	file->rotations++;
}

/* Looks by name: a file that somebody moved or removed is left, and the name opened anew. */
int output_file_ready(struct output_file *file, struct stat *st, struct error *error)
{
	struct stat named;
	int err = 0;

	if (file->fd >= 0 && (stat(file->path, &named) || fstat(file->fd, st) ||
			      named.st_ino != st->st_ino || named.st_dev != st->st_dev))
		close_file(file);
	if (file->fd < 0)
		err = open_named(file, st, error);
	else if (file->lost)
		mend_file(file, st);
	if (err || !is_due(file, st->st_size))
		return err;
	output_file_rotate(file);
	return file->fd < 0 ? open_named(file, st, error) : 0;
}

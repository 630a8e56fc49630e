/* SPDX-License-Identifier: Apache-2.0 */
#include "output/loss.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { SAY_AGAIN_S = 60, NUMBER_BYTES = 20 };

#define SUFFIX ".lost"

struct output_loss {
	char *what;
	char path[PATH_MAX]; /* of FIFO.lost; "": the FIFO has no name any more */
	bool is_told;        /* that it is not written; and not yet that it is again */
	bool is_kept;        /* what is untold, in that file */
	time_t said;
	size_t bytes; /* since that was told */
};

static bool is_at(const char *path, int fifo)
{
	struct stat st, named;

	return !fstat(fifo, &st) && !lstat(path, &named) && st.st_dev == named.st_dev &&
	       st.st_ino == named.st_ino;
}

/*
 * The name of the FIFO, as long as it has one.
 * DANGER: of one without, which may be the worker's own, the kernel says "PATH (deleted)", and the worker may have made
 * a file of that name, and what stands beside it.
 */
static void find_path(struct output_loss *loss, int fifo)
{
	char link[64], *end;
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fifo);
	length = readlink(link, loss->path, sizeof(loss->path) - sizeof(SUFFIX));
	end = loss->path + (length > 0 ? length : 0);
	*end = 0;
	if (*loss->path != '/' || !is_at(loss->path, fifo))
		*loss->path = 0;
	else
		memcpy(end, SUFFIX, sizeof(SUFFIX));
}

/* -1: there is none. */
static int open_kept(const struct output_loss *loss, int flags)
{
	int fd = *loss->path ? open(loss->path, flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0600)
			     : -1;
	struct stat st;

	if (fd < 0 || (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid()))
		return fd;
	close(fd);
	return -1;
}

/* Of a reader that died; it had said that. */
static void read_kept(struct output_loss *loss)
{
	char text[NUMBER_BYTES + 1] = {0};
	int fd = open_kept(loss, O_RDONLY);

	if (fd < 0)
		return;
	if (read(fd, text, NUMBER_BYTES) > 0)
		loss->bytes = strtoull(text, NULL, 10);
	close(fd);
	loss->is_told = loss->is_kept = loss->bytes;
}

/* In one write: whoever is killed here leaves the number of before, or this one. */
static void keep_count(struct output_loss *loss)
{
	char text[NUMBER_BYTES + 1];
	int fd = open_kept(loss, O_WRONLY | O_CREAT);

	snprintf(text, sizeof(text), "%0*zu", NUMBER_BYTES, loss->bytes);
	loss->is_kept = fd >= 0 && write(fd, text, NUMBER_BYTES) == NUMBER_BYTES;
	if (fd >= 0)
		close(fd);
}

struct output_loss *output_loss_new(const char *what, int fifo)
{
	struct output_loss *loss = calloc(1, sizeof(*loss));

	if (!loss || !(loss->what = strdup(what))) {
		free(loss);
		return NULL;
	}
	find_path(loss, fifo);
	read_kept(loss);
	return loss;
}

static bool may_say(const struct output_loss *loss)
{
	return time(NULL) - loss->said >= SAY_AGAIN_S;
}

/* Once for as long as it lasts; where it was said a moment ago, when that is long enough ago. */
static void say_loss(struct output_loss *loss, const char *why, const char *becomes)
{
	if (loss->is_told || !may_say(loss))
		return;
	log_warning("%s %s until that has changed", why, becomes);
	loss->is_told = true;
	loss->said = time(NULL);
}

void output_loss_wait(struct output_loss *loss, const char *why)
{
	say_loss(loss, why, "waits");
}

void output_loss_add(struct output_loss *loss, const char *why, size_t bytes)
{
	say_loss(loss, why, "is dropped");
	loss->bytes += bytes;
	keep_count(loss);
}

static void forget_loss(struct output_loss *loss)
{
	if (loss->is_kept)
		unlink(loss->path);
	loss->bytes = 0;
	loss->is_told = loss->is_kept = false;
}

void output_loss_over(struct output_loss *loss)
{
	if (!loss->is_told && (!loss->bytes || !may_say(loss)))
		return;
	log_info("%s: written again; %zu bytes were lost", loss->what, loss->bytes);
	forget_loss(loss);
}

void output_loss_end(struct output_loss *loss)
{
	if (!loss->bytes)
		return;
	log_warning("%s: %zu bytes were lost", loss->what, loss->bytes);
	forget_loss(loss);
}

/* Whoever reads on does not know of it. */
void output_loss_free(struct output_loss *loss)
{
	if (!loss)
		return;
	if (!loss->is_kept)
		output_loss_end(loss);
	free(loss->what);
	free(loss);
}

void output_loss_remove(const char *fifo)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s" SUFFIX, fifo);
	unlink(path);
}

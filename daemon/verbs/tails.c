/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/tails.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/open_file.h"
#include "base/utf8.h"

enum {
	READ_BYTES = 16384,
	READS_A_TURN = 16,
	BACKLOG_BYTES = 512 << 10, /* that a client has not read: it is waited for */
	SLOW_US = 20 * 1000,
};

static int on_more(sd_event_source *source, uint64_t now_us, void *arg);

struct tail {
	struct tail *next;
	struct control_request *request;
	sd_event_source *source;
	sd_event_source *more; /* there is more to be read, and nothing will tell */
	char *path;
	struct place place; /* of path */
	int fd;             /* -1: the file is not there at the moment */
};

/*
 * What is new, in pieces; of a character that is written in two, only when it is whole or is_last.  True: all of
 * it; else there is more, for another turn, or its client has to read first.
 */
static bool send_new(struct tail *tail, bool is_last)
{
	char part[READ_BYTES];

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t length = tail->fd < 0 ? 0 : read(tail->fd, part, sizeof(part));
		size_t later = length > 0 && !is_last ? utf8_unfinished(part, length) : 0;

		if (length <= 0)
			return true;
		if (later)
			lseek(tail->fd, -(off_t)later, SEEK_CUR);
		if ((size_t)length == later)
			return true;
		control_progress_bytes(tail->request, part, length - later);
		if (control_backlog(tail->request) > BACKLOG_BYTES)
			return false;
	}
	return false;
}

static bool was_replaced(const struct tail *tail)
{
	struct stat held, named;

	if (tail->fd < 0)
		return true;
	if (fstat(tail->fd, &held) ||
	    fstatat(tail->place.dir, tail->place.name, &named, AT_SYMLINK_NOFOLLOW))
		return false;
	return held.st_ino != named.st_ino || held.st_dev != named.st_dev;
}

/* A cleared file begins anew. */
static void rewind_if_shorter(const struct tail *tail)
{
	struct stat held;

	if (tail->fd >= 0 && !fstat(tail->fd, &held) && held.st_size < lseek(tail->fd, 0, SEEK_CUR))
		lseek(tail->fd, 0, SEEK_SET);
}

/* Nobody tells of what is there already. */
static void send_more_later(struct tail *tail)
{
	bool is_slow = control_backlog(tail->request) > BACKLOG_BYTES;

	clock_arm(sd_event_source_get_event(tail->source), &tail->more, is_slow ? SLOW_US : 0,
		  on_more, tail);
}

/* A rotated file is read to its end, then the one that has its name. */
static void send_more(struct tail *tail)
{
	struct error ignored;
	bool is_all;
	int fd;

	rewind_if_shorter(tail);
	is_all = send_new(tail, false);
	if (is_all && was_replaced(tail)) {
		fd = open_file_at(&tail->place, O_RDONLY, &ignored);
		if (fd < 0)
			return;
		send_new(tail, true);
		if (tail->fd >= 0)
			close(tail->fd);
		tail->fd = fd;
		is_all = send_new(tail, false);
	}
	if (!is_all)
		send_more_later(tail);
}

static int on_more(sd_event_source *source, uint64_t now_us, void *arg)
{
	(void)source, (void)now_us;
	send_more(arg);
	return 0;
}

/* The directory is watched, so that a rotated file's successor is noticed. */
static int on_directory(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct tail *tail = arg;

	(void)source;
	if (event->len && !strcmp(event->name, tail->place.name))
		send_more(tail);
	return 0;
}

static void tail_free(struct tail *tail)
{
	if (tail->fd >= 0)
		close(tail->fd);
	sd_event_source_disable_unref(tail->source);
	sd_event_source_disable_unref(tail->more);
	place_close(&tail->place);
	free(tail->path);
	free(tail);
}

static int open_tail(struct tail *tail, uid_t user, sd_event *event, struct error *error)
{
	int err = place_find("log ", tail->path, user, &tail->place, error);

	if (err)
		return err;
	tail->fd = open_file_at(&tail->place, O_RDONLY, error);
	if (tail->fd < 0 && tail->fd != -ENOENT)
		return tail->fd;
	if (tail->fd >= 0)
		lseek(tail->fd, 0, SEEK_END);
	err = sd_event_add_inotify_fd(event, &tail->source, tail->place.dir,
				      IN_MODIFY | IN_CREATE | IN_MOVED_TO, on_directory, tail);
	return err < 0 ? error_set(error, err, "log %s: %s", tail->path, strerror(-err)) : 0;
}

int tail_add(struct tails *tails, sd_event *event, struct control_request *request,
	     const char *path, uid_t user, struct error *error)
{
	struct tail *tail = calloc(1, sizeof(*tail));
	int err;

	if (!tail)
		return error_set(error, -ENOMEM, "out of memory");
	tail->fd = tail->place.dir = -1;
	tail->request = request;
	tail->path = strdup(path);
	err = tail->path ? open_tail(tail, user, event, error)
			 : error_set(error, -ENOMEM, "out of memory");
	if (err) {
		tail_free(tail);
		return err;
	}
	tail->next = tails->first;
	tails->first = tail;
	return 0;
}

void tail_gone(struct tails *tails, struct control_request *request)
{
	struct tail **link = &tails->first;

	while (*link) {
		struct tail *tail = *link;

		if (tail->request != request) {
			link = &tail->next;
			continue;
		}
		*link = tail->next;
		tail_free(tail);
	}
}

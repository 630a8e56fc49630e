/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/follow.h"

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

struct follow {
	struct follow *next;
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
static bool send_new(struct follow *follow, bool is_last)
{
	char part[READ_BYTES];

	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t length = follow->fd < 0 ? 0 : read(follow->fd, part, sizeof(part));
		size_t later = length > 0 && !is_last ? utf8_unfinished(part, length) : 0;

		if (length <= 0)
			return true;
		if (later)
			lseek(follow->fd, -(off_t)later, SEEK_CUR);
		if ((size_t)length == later)
			return true;
		control_progress_bytes(follow->request, part, length - later);
		if (control_backlog(follow->request) > BACKLOG_BYTES)
			return false;
	}
	return false;
}

static bool was_replaced(const struct follow *follow)
{
	struct stat held, named;

	if (follow->fd < 0)
		return true;
	if (fstat(follow->fd, &held) ||
	    fstatat(follow->place.dir, follow->place.name, &named, AT_SYMLINK_NOFOLLOW))
		return false;
	return held.st_ino != named.st_ino || held.st_dev != named.st_dev;
}

/* A cleared file begins anew. */
static void rewind_if_shorter(const struct follow *follow)
{
	struct stat held;

	if (follow->fd >= 0 && !fstat(follow->fd, &held) &&
	    held.st_size < lseek(follow->fd, 0, SEEK_CUR))
		lseek(follow->fd, 0, SEEK_SET);
}

/* Nobody tells of what is there already. */
static void come_again(struct follow *follow)
{
	bool is_slow = control_backlog(follow->request) > BACKLOG_BYTES;

	clock_arm(sd_event_source_get_event(follow->source), &follow->more, is_slow ? SLOW_US : 0,
		  on_more, follow);
}

/* A rotated file is read to its end, then the one that has its name. */
static void go_on(struct follow *follow)
{
	struct error ignored;
	bool is_all;
	int fd;

	rewind_if_shorter(follow);
	is_all = send_new(follow, false);
	if (is_all && was_replaced(follow)) {
		fd = open_file_at(&follow->place, O_RDONLY, &ignored);
		if (fd < 0)
			return;
		send_new(follow, true);
		if (follow->fd >= 0)
			close(follow->fd);
		follow->fd = fd;
		is_all = send_new(follow, false);
	}
	if (!is_all)
		come_again(follow);
}

static int on_more(sd_event_source *source, uint64_t now_us, void *arg)
{
	(void)source, (void)now_us;
	go_on(arg);
	return 0;
}

/* The directory is watched, so that a rotated file's successor is noticed. */
static int changed(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct follow *follow = arg;

	(void)source;
	if (event->len && !strcmp(event->name, follow->place.name))
		go_on(follow);
	return 0;
}

static void follow_free(struct follow *follow)
{
	if (follow->fd >= 0)
		close(follow->fd);
	sd_event_source_disable_unref(follow->source);
	sd_event_source_disable_unref(follow->more);
	place_close(&follow->place);
	free(follow->path);
	free(follow);
}

static int open_followed(struct follow *follow, uid_t user, sd_event *event, struct error *error)
{
	int err = place_find("log ", follow->path, user, &follow->place, error);

	if (err)
		return err;
	follow->fd = open_file_at(&follow->place, O_RDONLY, error);
	if (follow->fd < 0 && follow->fd != -ENOENT)
		return follow->fd;
	if (follow->fd >= 0)
		lseek(follow->fd, 0, SEEK_END);
	err = sd_event_add_inotify_fd(event, &follow->source, follow->place.dir,
				      IN_MODIFY | IN_CREATE | IN_MOVED_TO, changed, follow);
	return err < 0 ? error_set(error, err, "log %s: %s", follow->path, strerror(-err)) : 0;
}

int follow_add(struct follows *follows, sd_event *event, struct control_request *request,
	       const char *path, uid_t user, struct error *error)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int err;

	if (!follow)
		return error_set(error, -ENOMEM, "out of memory");
	follow->fd = follow->place.dir = -1;
	follow->request = request;
	follow->path = strdup(path);
	err = follow->path ? open_followed(follow, user, event, error)
			   : error_set(error, -ENOMEM, "out of memory");
	if (err) {
		follow_free(follow);
		return err;
	}
	follow->next = follows->first;
	follows->first = follow;
	return 0;
}

void follow_gone(struct follows *follows, struct control_request *request)
{
	struct follow **link = &follows->first;

	while (*link) {
		struct follow *follow = *link;

		if (follow->request != request) {
			link = &follow->next;
			continue;
		}
		*link = follow->next;
		follow_free(follow);
	}
}

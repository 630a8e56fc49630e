/* SPDX-License-Identifier: Apache-2.0 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 16384, READS_A_TURN = 16 };

struct follow {
	struct follow *next;
	struct control_request *request;
	sd_event_source *source;
	char *path;
	int fd; /* -1: the file is not there at the moment */
};

/* What is new, in pieces; the rest of a flood waits for the next event. */
static void send_new(struct follow *follow)
{
	char part[READ_BYTES];
	ssize_t length;

	for (int i = 0; i < READS_A_TURN; i++) {
		length = follow->fd < 0 ? 0 : read(follow->fd, part, sizeof(part));
		if (length <= 0)
			return;
		control_progress(follow->request, "%.*s", (int)length, part);
	}
}

static bool was_replaced(const struct follow *follow)
{
	struct stat held, named;

	if (follow->fd < 0)
		return true;
	if (fstat(follow->fd, &held) || stat(follow->path, &named))
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

/* The directory is watched, so that a rotated file's successor is noticed. */
static int changed(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct follow *follow = arg;
	const char *name = strrchr(follow->path, '/');

	(void)source;
	if (!event->len || strcmp(event->name, name ? name + 1 : follow->path))
		return 0;
	rewind_if_shorter(follow);
	send_new(follow);
	if (was_replaced(follow)) {
		int fd = open(follow->path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			if (follow->fd >= 0)
				close(follow->fd);
			follow->fd = fd;
			send_new(follow);
		}
	}
	return 0;
}

static void follow_free(struct follow *follow)
{
	if (follow->fd >= 0)
		close(follow->fd);
	sd_event_source_disable_unref(follow->source);
	free(follow->path);
	free(follow);
}

static int watch_directory(struct follow *follow, sd_event *event)
{
	char *directory = strdup(follow->path), *slash;
	int err;

	if (!directory)
		return -ENOMEM;
	slash = strrchr(directory, '/');
	if (slash)
		*slash = 0;
	err = sd_event_add_inotify(event, &follow->source, slash ? directory : ".",
				   IN_MODIFY | IN_CREATE | IN_MOVED_TO, changed, follow);
	free(directory);
	return err < 0 ? err : 0;
}

int follow_add(struct follows *follows, sd_event *event, struct control_request *request,
	       const char *path)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int err;

	if (!follow)
		return -ENOMEM;
	follow->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (follow->fd >= 0)
		lseek(follow->fd, 0, SEEK_END);
	follow->request = request;
	follow->path = strdup(path);
	err = follow->path ? watch_directory(follow, event) : -ENOMEM;
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

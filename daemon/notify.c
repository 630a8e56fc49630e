/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 4096, DESCRIPTORS = 16 };

struct notify {
	int fd;
	struct stat bound; /* the path, as it was made */
	sd_event_source *source;
	void (*message)(void *arg, pid_t sender, const char *name, const char *value);
	void *arg;
	bool is_handing_on; /* calls back: to be freed afterwards */
	bool is_freed;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

/* Descriptors are not kept; closing one is also the answer that sd_notify_barrier(3) waits for. */
static pid_t read_control(struct msghdr *header)
{
	struct ucred cred = {0};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		if (c->cmsg_type == SCM_RIGHTS)
			for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len;
			     at += sizeof(int)) {
				int fd;

				memcpy(&fd, (char *)c + at, sizeof(fd));
				close(fd);
			}
	}
	return cred.pid;
}

static void hand_on(struct notify *notify, pid_t sender, char *text)
{
	char *rest = NULL;

	notify->is_handing_on = true;
	for (char *line = strtok_r(text, "\n", &rest); line && !notify->is_freed;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = 0;
		notify->message(notify->arg, sender, line, value);
	}
	notify->is_handing_on = false;
	if (notify->is_freed)
		notify_free(notify);
}

/* One message each time: no sender keeps the loop from others. */
static int on_message(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[MESSAGE_BYTES];
	union control control;
	struct iovec vector = {text, sizeof(text) - 1};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	pid_t sender;

	(void)source, (void)events;
	if (n < 0)
		return 0;
	sender = read_control(&header);
	if (sender <= 0 || header.msg_flags & MSG_TRUNC)
		return 0;
	text[n] = 0;
	hand_on(arg, sender, text);
	return 0;
}

static int bind_path(int fd, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int on = 1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return -errno;
	/* Workers have users of their own; who may speak is decided by the sender's pid. */
	return chmod(path, 0666) ? -errno : 0;
}

int notify_new(sd_event *event, const char *path,
	       void (*message)(void *arg, pid_t sender, const char *name, const char *value),
	       void *arg, struct notify **out)
{
	struct notify *notify = calloc(1, sizeof(*notify));
	int err;

	if (!notify)
		return -ENOMEM;
	notify->message = message;
	notify->arg = arg;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = notify->fd < 0 ? -errno : bind_path(notify->fd, path);
	if (!err && stat(path, &notify->bound))
		err = -errno;
	if (!err)
		err = sd_event_add_io(event, &notify->source, notify->fd, EPOLLIN, on_message,
				      notify);
	if (err < 0) {
		notify_free(notify);
		return err;
	}
	*out = notify;
	return 0;
}

void notify_remove(const struct notify *notify, const char *path)
{
	struct stat now;

	if (notify && !stat(path, &now) && now.st_dev == notify->bound.st_dev &&
	    now.st_ino == notify->bound.st_ino)
		unlink(path);
}

void notify_free(struct notify *notify)
{
	if (!notify)
		return;
	notify->is_freed = true;
	if (notify->is_handing_on)
		return;
	sd_event_source_disable_unref(notify->source);
	if (notify->fd >= 0)
		close(notify->fd);
	free(notify);
}

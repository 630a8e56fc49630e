/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/process/stranger.h"

enum { MESSAGE_BYTES = 4096, RETRY_US = 100 * 1000 };

struct notify {
	int fd;
	uid_t user;
	struct stat bound; /* the path, as it was made */
	sd_event_source *source;
	sd_event_source *retry; /* its user's closers have not ended: not read until then */
	void (*message)(void *arg, pid_t sender, const char *name, const char *value);
	void *arg;
	bool is_handing_on; /* calls back: to be freed afterwards */
	bool is_freed;
	bool is_left; /* another process goes on with the socket */
};

bool notify_is_of(pid_t pid, const char *cgroup, pid_t sender)
{
	struct process_stat stat;

	if (sender == pid)
		return true;
	if (cgroup && *cgroup)
		return cgroup_holds(cgroup, sender);
	return !process_stat(sender, &stat) && stat.session == pid;
}

void notify_replay(struct notify *notify, pid_t sender, char *text,
		   void (*message)(void *arg, pid_t sender, const char *name, const char *value))
{
	char *rest = NULL;

	notify->is_handing_on = true;
	for (char *line = strtok_r(text, "\n", &rest); line && !notify->is_freed;
	     line = strtok_r(NULL, "\n", &rest)) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = 0;
		message(notify->arg, sender, line, value);
	}
	notify->is_handing_on = false;
	if (notify->is_freed)
		notify_free(notify);
}

static int on_retry(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct notify *notify = arg;

	(void)source, (void)now_us;
	return sd_event_source_set_enabled(notify->source, SD_EVENT_ON);
}

static int pause_reading(sd_event_source *source, struct notify *notify)
{
	int err = clock_arm(sd_event_source_get_event(source), &notify->retry, RETRY_US, on_retry,
			    notify);

	return err < 0 ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

/*
 * One message each time: no sender keeps the loop from others.  A descriptor that comes along is not kept: its
 * closing is the answer that sd_notify_barrier(3) waits for, hence it is not refused either.
 */
static int on_message(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[MESSAGE_BYTES];
	struct ucred sender;
	int flags;
	struct notify *notify = arg;
	ssize_t n = stranger_recv(fd, notify->user, text, sizeof(text) - 1, &sender, &flags);

	(void)events;
	if (n < 0)
		return errno == EBUSY ? pause_reading(source, notify) : 0;
	if (sender.pid <= 0 || flags & MSG_TRUNC)
		return 0;
	text[n] = 0;
	notify_replay(notify, sender.pid, text, notify->message);
	return 0;
}

/* Nobody but user and root may send: the kernel refuses the rest before lbd has any work with it. */
static int bind_path(int fd, const char *path, uid_t user)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int on = 1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	/* The mode that bind(2) makes the path with: it is never open to more than that. */
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) || fchmod(fd, 0600) ||
	    bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || lchown(path, user, -1))
		return -errno;
	return 0;
}

/* Also where its name is another socket's by now: that is not to be heard in its place. */
static bool has_path(int fd, const char *path)
{
	struct sockaddr_un sa = {0};
	socklen_t length = sizeof(sa), type_length = sizeof(int);
	struct stat st;
	int type = 0;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) && type == SOCK_DGRAM &&
	       !getsockname(fd, (struct sockaddr *)&sa, &length) && sa.sun_family == AF_UNIX &&
	       length < sizeof(sa) && !strcmp(sa.sun_path, path) && !lstat(path, &st) &&
	       S_ISSOCK(st.st_mode);
}

static int listen_at(struct notify *notify, sd_event *event, const char *path)
{
	int err = 0;

	if (path && stat(path, &notify->bound))
		err = -errno;
	if (!err)
		err = sd_event_add_io(event, &notify->source, notify->fd, EPOLLIN, on_message,
				      notify);
	return err < 0 ? err : 0;
}

static struct notify *
make(int fd, uid_t user,
     void (*message)(void *arg, pid_t sender, const char *name, const char *value), void *arg)
{
	struct notify *notify = calloc(1, sizeof(*notify));

	if (!notify)
		return NULL;
	notify->fd = fd;
	notify->user = user;
	notify->message = message;
	notify->arg = arg;
	return notify;
}

int notify_new(sd_event *event, const char *path, uid_t user,
	       void (*message)(void *arg, pid_t sender, const char *name, const char *value),
	       void *arg, struct notify **out)
{
	struct notify *notify = make(-1, user, message, arg);
	int err;

	if (!notify)
		return -ENOMEM;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	err = notify->fd < 0 ? -errno : bind_path(notify->fd, path, user);
	if (!err)
		err = listen_at(notify, event, path);
	if (err) {
		notify_free(notify);
		return err;
	}
	*out = notify;
	return 0;
}

int notify_adopt(sd_event *event, int fd, const char *path, uid_t user,
		 void (*message)(void *arg, pid_t sender, const char *name, const char *value),
		 void *arg, struct notify **out)
{
	struct notify *notify;
	int err;

	if (path && !has_path(fd, path))
		return -ESTALE;
	notify = make(fd, user, message, arg);
	if (!notify)
		return -ENOMEM;
	err = listen_at(notify, event, path);
	if (err) {
		free(notify);
		return err;
	}
	*out = notify;
	return 0;
}

int notify_fd(const struct notify *notify)
{
	return notify->fd;
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
	sd_event_source_disable_unref(notify->retry);
	if (notify->fd >= 0 && notify->is_left)
		stranger_give_back(notify->fd, notify->user);
	else if (notify->fd >= 0)
		stranger_close(notify->fd, notify->user);
	stranger_flush();
	free(notify);
}

void notify_leave(struct notify *notify)
{
	if (notify)
		notify->is_left = true;
	notify_free(notify);
}

int notify_release(struct notify *notify)
{
	int fd = notify->fd;

	notify->fd = -1;
	notify_free(notify);
	return fd;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/kept_notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "host/process/stranger.h"
#include "keeper/protocol.h"

enum { VERSION = 1 };

struct given {
	LIST_ENTRY(given) link;
	struct kept_notify of;
	char *note;
	const char *said;
	int fd; /* -1: there was no descriptor left for it */
};

struct kept_notifies {
	LIST_HEAD(, given) given;
};

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

char *kept_notify_print(const struct kept_notify *of)
{
	char *note;

	if (asprintf(&note, "lbd-notify %d %u %d %s %s\n", VERSION, of->user, of->pid, of->name,
		     of->cgroup) < 0)
		return NULL;
	return note;
}

int kept_notify_parse(char *note, struct kept_notify *of, const char **said)
{
	int version, name = 0;
	char *cgroup, *end;

	if (sscanf(note, "lbd-notify %d %u %d %n", &version, &of->user, &of->pid, &name) != 3 ||
	    !name || version != VERSION || !(end = strchr(note + name, '\n')))
		return -EINVAL;
	*end = 0;
	cgroup = strchr(note + name, ' ');
	if (!cgroup)
		return -EINVAL;
	*cgroup++ = 0;
	of->name = note + name;
	of->cgroup = cgroup;
	if (said)
		*said = end + 1;
	return 0;
}

int kept_notify_give(int to, const char *note, const char *said, int fd)
{
	union control control = {.header = {CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS}};
	struct iovec parts[] = {{(char *)note, strlen(note)}, {(char *)said, strlen(said)}};
	struct msghdr message = {.msg_iov = parts,
				 .msg_iovlen = 2,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(to, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void close_one(int fd, uid_t user)
{
	if (fd >= 0)
		stranger_close(fd, user);
}

static void free_given(struct given *given)
{
	close_one(given->fd, given->of.user);
	free(given->note);
	free(given);
}

/* Takes fd over.  What is not understood is of another version: that worker's socket is bound anew. */
static void add_given(struct kept_notifies *list, int fd, const char *text)
{
	struct given *given = calloc(1, sizeof(*given));

	if (given)
		given->fd = fd;
	if (!given || !(given->note = strdup(text)) ||
	    kept_notify_parse(given->note, &given->of, &given->said)) {
		close_one(fd, 0);
		if (given)
			free(given->note);
		free(given);
		return;
	}
	if (fd < 0)
		log_warning("worker %s: no descriptor is left for its notify socket, which is "
			    "made anew",
			    given->of.name);
	LIST_INSERT_HEAD(&list->given, given, link);
}

static int message_descriptor(const struct msghdr *message, const union control *control)
{
	int fd = -1;

	if (message->msg_controllen >= CMSG_LEN(sizeof(fd)) &&
	    control->header.cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(&control->header), sizeof(fd));
	return fd;
}

bool kept_notify_receive(int from, struct kept_notifies **list)
{
	char text[KEEPER_NOTE_BYTES_MAX + KEPT_NOTIFY_SAID_BYTES];
	union control control = {0};
	struct iovec part = {text, sizeof(text) - 1};
	struct msghdr message = {.msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return false;
	text[n] = 0;
	if (!*list && (*list = calloc(1, sizeof(**list))))
		LIST_INIT(&(*list)->given);
	if (*list)
		add_given(*list, message_descriptor(&message, &control), text);
	else
		close_one(message_descriptor(&message, &control), 0);
	return true;
}

int kept_notify_take(struct kept_notifies *list, const char *name, pid_t pid, char **said)
{
	struct given *given = list ? LIST_FIRST(&list->given) : NULL;
	int fd;

	*said = NULL;
	while (given && (given->of.pid != pid || strcmp(given->of.name, name) != 0))
		given = LIST_NEXT(given, link);
	if (!given)
		return -1;
	fd = given->fd;
	given->fd = -1;
	if (*given->said)
		*said = strdup(given->said);
	LIST_REMOVE(given, link);
	free_given(given);
	return fd;
}

void kept_notify_free(struct kept_notifies *list)
{
	struct given *given;

	if (!list)
		return;
	while ((given = LIST_FIRST(&list->given))) {
		LIST_REMOVE(given, link);
		free_given(given);
	}
	free(list);
}

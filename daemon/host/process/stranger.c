/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/stranger.h"

#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/process/aside.h"
#include "host/process/closer.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h of Linux 6.16 */
#endif

enum {
	DESCRIPTORS_MAX = 253,    /* SCM_MAX_FD: of one message */
	USERS_MAX = 16,           /* at the same time */
	PATIENCE_US = 500 * 1000, /* with a user's closers, until one has ended */
};

/* Of one user, to be closed: none is left when the event loop goes on, unless no process could be had. */
static struct batch {
	uid_t user;
	size_t count;
	int fds[CLOSER_MOST];
} batches[USERS_MAX];

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

bool stranger_refuse(int fd)
{
	int off = 0;

	return !setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

static bool flush_batch(struct batch *batch)
{
	if (batch->count && !closer_end_with(batch->user, batch->fds, batch->count))
		return false;
	batch->count = 0;
	return true;
}

/* The user's own, or else one that is empty, or else the fullest, once that is. */
static struct batch *batch_of(uid_t user)
{
	struct batch *found = &batches[0];

	for (size_t i = 0; i < USERS_MAX; i++) {
		if (batches[i].count && batches[i].user == user)
			return &batches[i];
		if (!batches[i].count || (found->count && batches[i].count > found->count))
			found = &batches[i];
	}
	if (!flush_batch(found))
		return NULL;
	found->user = user;
	return found;
}

static struct batch *batch_with_room(uid_t user, size_t room)
{
	struct batch *batch = batch_of(user);

	return batch && (batch->count + room <= CLOSER_MOST || flush_batch(batch)) ? batch : NULL;
}

/* NULL: as many of the user's as may last. */
static struct batch *begin_batch(uid_t user, size_t room)
{
	return closer_may_begin(user) ? batch_with_room(user, room) : NULL;
}

static void read_control(struct msghdr *header, struct batch *batch, struct ucred *sender)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && sender)
			memcpy(sender, CMSG_DATA(c), sizeof(*sender));
		if (c->cmsg_type == SCM_RIGHTS && batch && bytes <= DESCRIPTORS_MAX * sizeof(int)) {
			memcpy(batch->fds + batch->count, CMSG_DATA(c), bytes);
			batch->count += bytes / sizeof(int);
		}
	}
}

static bool is_refusing(int fd)
{
	socklen_t length = sizeof(int);
	int on = 1;

	return !getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &length) && !on;
}

ssize_t stranger_recv(int fd, uid_t user, void *bytes, size_t room, struct ucred *sender,
		      int *flags)
{
	bool takes_none = is_refusing(fd);
	struct batch *batch = takes_none ? NULL : begin_batch(user, DESCRIPTORS_MAX);
	union control control;
	struct iovec vector = {bytes, room};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t got;

	if (!batch && !takes_none) {
		errno = EBUSY;
		return -1;
	}
	got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return -1;
	if (sender)
		*sender = (struct ucred){0};
	read_control(&header, batch, sender);
	if (flags)
		*flags = header.msg_flags;
	if (batch)
		flush_batch(batch);
	return got;
}

/* Whether it refuses descriptors says nothing: its queue may hold some from before. */
void stranger_give_back(int fd, uid_t user)
{
	struct batch *batch = batch_with_room(user, 1);

	if (batch)
		batch->fds[batch->count++] = fd;
	else /* out of memory: better one that stays open than a loop that stands still */
		shutdown(fd, SHUT_RDWR);
}

void stranger_flush(void)
{
	for (size_t i = 0; i < USERS_MAX; i++)
		flush_batch(&batches[i]);
}

/*
 * For good: unix_dgram_sendmsg() (net/unix/af_unix.c) puts a datagram there under the lock that shutdown(2) takes, and
 * after it none.  Not so of a stream, whose out-of-band byte a peek passes over.
 */
static bool is_empty(int fd)
{
	socklen_t length = sizeof(int);
	int type = 0;
	char byte;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && type == SOCK_DGRAM &&
	       !shutdown(fd, SHUT_RD) && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	       errno == EAGAIN;
}

void stranger_close(int fd, uid_t user)
{
	if (is_refusing(fd) || is_empty(fd)) {
		close(fd);
		return;
	}
	stranger_give_back(fd, user);
	stranger_flush();
}

/* Danger: fstat(2) of another file may ask, and wait for, a file system of that user's. */
static bool is_socket(int fd, uint64_t inode)
{
	socklen_t length = sizeof(int);
	struct stat st;
	int type;

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) && !fstat(fd, &st) &&
	       st.st_ino == inode;
}

/* On a busy machine many may be about to end which nobody holds up: those are waited for. */
static struct batch *await_batch(uid_t user)
{
	uint64_t end_us = clock_us() + PATIENCE_US;
	struct batch *batch;

	while (!(batch = begin_batch(user, 1)) && closer_has_young(user) && clock_us() < end_us)
		usleep(1000);
	return batch;
}

struct place {
	int process, number;
};

static int get_at_place(const void *arg)
{
	const struct place *place = arg;
	int fd = pidfd_getfd(place->process, place->number, 0);

	return fd < 0 ? -errno : fd;
}

int stranger_take(int process, int number, uint64_t inode, uid_t user)
{
	const struct place place = {process, number};
	int fd;

	if (!await_batch(user))
		return -EBUSY;
	fd = aside_get(get_at_place, &place);
	if (fd < 0)
		return fd;
	if (is_socket(fd, inode))
		return fd;
	stranger_give_back(fd, user);
	return -ESTALE;
}

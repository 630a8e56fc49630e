/* SPDX-License-Identifier: Apache-2.0 */
#include "stranger.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h of Linux 6.16 */
#endif

enum {
	DESCRIPTORS_MAX = 253, /* SCM_MAX_FD: of one message */
	CLOSES_MAX = 64,       /* that last at the same time */
	LATER_MAX = 1024,
	STACK_BYTES = 256 << 10,
};

/* The thread that closes a message's descriptors owns it while it is busy. */
struct batch {
	size_t count;
	int fds[DESCRIPTORS_MAX];
	atomic_bool is_busy;
};

static struct batch batches[CLOSES_MAX];

/* Sockets to be closed when a thread is free. */
static struct {
	int fds[LATER_MAX];
	size_t count;
} later;

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

bool stranger_refuse(int fd)
{
	int off = 0;

	return !setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
}

static void *close_batch(void *arg)
{
	struct batch *batch = arg;

	for (size_t i = 0; i < batch->count; i++)
		close(batch->fds[i]);
	batch->count = 0;
	atomic_store(&batch->is_busy, false);
	return NULL;
}

/* Signals are the event loop's: the thread is born with all of them blocked. */
static int start_thread(struct batch *batch)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int err = -pthread_attr_init(&attributes);

	if (err)
		return err;
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_store(&batch->is_busy, true);
	err = -pthread_create(&thread, &attributes, close_batch, batch);
	if (err)
		atomic_store(&batch->is_busy, false);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err;
}

static void take_later(struct batch *batch)
{
	while (later.count && batch->count < DESCRIPTORS_MAX)
		batch->fds[batch->count++] = later.fds[--later.count];
}

/* One that had no thread keeps its descriptors and is tried again; what waits goes first. */
static struct batch *free_batch(void)
{
	struct batch *found = NULL;

	for (size_t i = 0; i < CLOSES_MAX; i++) {
		if (atomic_load(&batches[i].is_busy))
			continue;
		if (!batches[i].count)
			take_later(&batches[i]);
		if (batches[i].count)
			start_thread(&batches[i]);
		else
			found = &batches[i];
	}
	return found;
}

static void read_control(struct msghdr *header, struct batch *batch, struct ucred *sender)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_CREDENTIALS && sender)
			memcpy(sender, CMSG_DATA(c), sizeof(*sender));
		if (c->cmsg_type == SCM_RIGHTS && bytes <= sizeof(batch->fds)) {
			memcpy(batch->fds, CMSG_DATA(c), bytes);
			batch->count = bytes / sizeof(int);
		}
	}
}

ssize_t stranger_recv(int fd, void *bytes, size_t room, struct ucred *sender, int *flags)
{
	struct batch *batch = free_batch();
	union control control;
	struct iovec vector = {bytes, room};
	struct msghdr header = {.msg_iov = &vector,
				.msg_iovlen = 1,
				.msg_control = control.bytes,
				.msg_controllen = sizeof(control.bytes)};
	ssize_t got;

	if (!batch) {
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
	if (batch->count)
		start_thread(batch);
	return got;
}

static bool is_refusing(int fd)
{
	socklen_t length = sizeof(int);
	int on = 1;

	return !getsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, &length) && !on;
}

void stranger_close(int fd)
{
	struct batch *batch;

	if (is_refusing(fd)) {
		close(fd);
		return;
	}
	batch = free_batch();
	if (batch) {
		batch->fds[batch->count++] = fd;
		start_thread(batch);
	} else if (later.count < LATER_MAX) {
		shutdown(fd, SHUT_RDWR);
		later.fds[later.count++] = fd;
	} else {
		close(fd);
	}
}

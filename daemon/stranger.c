/* SPDX-License-Identifier: Apache-2.0 */
#include "stranger.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h of Linux 6.16 */
#endif

enum {
	DESCRIPTORS_MAX = 253, /* SCM_MAX_FD: of one message */
	BATCH_MAX = 256,       /* USER_CLOSES_MAX of them: both listeners of every backend */
	CLOSES_MAX = 256,      /* that last at the same time */
	USER_CLOSES_MAX = 32,  /* of one user */
	LATER_MAX = 1024,
	STACK_BYTES = 256 << 10,
	YOUNG_US = 100 * 1000,   /* a thread whose turn on a processor may not have come yet */
	PATIENCE_US = 20 * 1000, /* with those of a user, until one has ended */
};

/* The thread that closes a batch's descriptors owns it while it is busy; one that is open takes more of its user's. */
struct batch {
	size_t count;
	uid_t user;
	int fds[BATCH_MAX];
	bool is_open;
	atomic_bool is_busy;
	uint64_t since_us;
};

static struct batch batches[CLOSES_MAX];

/* Sockets to be closed when a thread is free. */
static struct {
	struct {
		int fd;
		uid_t user;
	} sockets[LATER_MAX];
	size_t count;
	pid_t child; /* which ended with some, to be reaped; 0: none */
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
	batch->since_us = clock_us();
	atomic_store(&batch->is_busy, true);
	err = -pthread_create(&thread, &attributes, close_batch, batch);
	if (err)
		atomic_store(&batch->is_busy, false);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return err;
}

static bool is_taken(const struct batch *batch)
{
	return atomic_load(&batch->is_busy) || batch->is_open || batch->count;
}

static bool may_take(uid_t user)
{
	unsigned count = 0;

	for (size_t i = 0; i < CLOSES_MAX; i++)
		count += is_taken(&batches[i]) && batches[i].user == user;
	return count < USER_CLOSES_MAX;
}

/* Sockets of one user who may have another thread; false: none waits whose user may. */
static bool take_later(struct batch *batch)
{
	size_t left = 0;

	for (size_t i = 0; i < later.count; i++) {
		uid_t user = later.sockets[i].user;

		if (batch->count ? batch->count < BATCH_MAX && user == batch->user
				 : may_take(user)) {
			batch->user = user;
			batch->fds[batch->count++] = later.sockets[i].fd;
		} else {
			later.sockets[left++] = later.sockets[i];
		}
	}
	later.count = left;
	return batch->count;
}

/* One that had no thread keeps its descriptors and is tried again; what waits goes first. */
static struct batch *free_batch(uid_t user)
{
	struct batch *found = NULL;
	bool is_waited = later.count;

	if (later.child && waitpid(later.child, NULL, WNOHANG))
		later.child = 0;
	for (size_t i = 0; i < CLOSES_MAX; i++) {
		if (batches[i].is_open || atomic_load(&batches[i].is_busy))
			continue;
		if (!batches[i].count && is_waited)
			is_waited = take_later(&batches[i]);
		if (batches[i].count)
			start_thread(&batches[i]);
		else
			found = &batches[i];
	}
	if (!found || !may_take(user))
		return NULL;
	found->user = user;
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
		if (c->cmsg_type == SCM_RIGHTS && batch && bytes <= DESCRIPTORS_MAX * sizeof(int)) {
			memcpy(batch->fds, CMSG_DATA(c), bytes);
			batch->count = bytes / sizeof(int);
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
	struct batch *batch = takes_none ? NULL : free_batch(user);
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
	if (batch && batch->count)
		start_thread(batch);
	return got;
}

static bool is_waiting(int fd)
{
	for (size_t i = 0; i < later.count; i++)
		if (later.sockets[i].fd == fd)
			return true;
	return false;
}

/* Only them, as it may last; and not before they are closed in lbd, of which it is told. */
static _Noreturn void end_with_waiting(const sigset_t *told)
{
	int most = 0, signal;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigwait(told, &signal);
	for (size_t i = 0; i < later.count; i++)
		most = later.sockets[i].fd > most ? later.sockets[i].fd : most;
	for (int fd = 0; fd <= most; fd++)
		if (!is_waiting(fd))
			close(fd);
	close_range(most + 1, ~0U, 0);
	_exit(0);
}

/* A child has them, too, when they are closed here: its end is their last, which waits for no SO_LINGER. */
static void close_by_child(void)
{
	sigset_t told, before;
	pid_t child;

	sigemptyset(&told);
	sigaddset(&told, SIGTERM);
	sigprocmask(SIG_BLOCK, &told, &before);
	child = fork();
	if (!child)
		end_with_waiting(&told);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return;
	for (size_t i = 0; i < later.count; i++)
		close(later.sockets[i].fd);
	later.count = 0;
	later.child = child;
	kill(child, SIGTERM);
}

static void close_later(int fd, uid_t user)
{
	if (later.count == LATER_MAX)
		close_by_child();
	if (later.count == LATER_MAX)
		return; /* out of memory: better one that stays open than a loop that stands still */
	later.sockets[later.count].fd = fd;
	later.sockets[later.count++].user = user;
}

void stranger_close(int fd, uid_t user)
{
	struct batch *batch;

	if (is_refusing(fd)) {
		close(fd);
		return;
	}
	batch = free_batch(user);
	if (batch) {
		batch->fds[batch->count++] = fd;
		start_thread(batch);
	} else {
		shutdown(fd, SHUT_RDWR);
		close_later(fd, user);
	}
}

static struct batch *open_batch(uid_t user)
{
	struct batch *batch;

	for (size_t i = 0; i < CLOSES_MAX; i++)
		if (batches[i].is_open && batches[i].user == user && batches[i].count < BATCH_MAX)
			return &batches[i];
	batch = free_batch(user);
	if (batch)
		batch->is_open = true;
	return batch;
}

/* Whether it refuses descriptors says nothing: its queue may hold some from before. */
void stranger_give_back(int fd, uid_t user)
{
	struct batch *batch = open_batch(user);

	if (batch)
		batch->fds[batch->count++] = fd;
	else
		close_later(fd, user);
}

void stranger_flush(void)
{
	for (size_t i = 0; i < CLOSES_MAX; i++) {
		if (!batches[i].is_open)
			continue;
		batches[i].is_open = false;
		if (batches[i].count)
			start_thread(&batches[i]);
	}
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

static bool has_young(uid_t user)
{
	uint64_t now_us = clock_us();

	for (size_t i = 0; i < CLOSES_MAX; i++)
		if (atomic_load(&batches[i].is_busy) && batches[i].user == user &&
		    now_us - batches[i].since_us < YOUNG_US)
			return true;
	return false;
}

/* On a busy machine many may be about to end which nobody holds up: those are waited for. */
static struct batch *await_batch(uid_t user)
{
	uint64_t end_us = clock_us() + PATIENCE_US;
	struct batch *batch;

	while (!(batch = open_batch(user)) && has_young(user) && clock_us() < end_us)
		usleep(1000);
	return batch;
}

int stranger_take(int process, int number, uint64_t inode, uid_t user)
{
	int fd;

	if (!await_batch(user))
		return -EBUSY;
	fd = pidfd_getfd(process, number, 0);
	if (fd < 0)
		return -errno;
	if (is_socket(fd, inode))
		return fd;
	stranger_give_back(fd, user);
	return -ESTALE;
}

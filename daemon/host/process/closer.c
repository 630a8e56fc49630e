/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/closer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/process/close_range.h"
#include "host/process/grandchild.h"

enum {
	CLOSERS_MAX = 64,
	USER_CLOSERS_MAX = 16,
	YOUNG_US = 1000 * 1000,
	PATIENCE_MS = 500, /* with all of them, until one has ended */
};

static struct closer {
	uid_t user;
	int end; /* of a pair of sockets; the closer's own is closed by its end */
	uint64_t since_us;
} closers[CLOSERS_MAX];

static size_t closer_count;

/* Waits so long for one to end, if none has. */
static void forget_ended(int timeout_ms)
{
	struct pollfd ends[CLOSERS_MAX];
	size_t left = 0;

	for (size_t i = 0; i < closer_count; i++)
		ends[i] = (struct pollfd){.fd = closers[i].end};
	if (poll(ends, closer_count, timeout_ms) <= 0)
		return;
	for (size_t i = 0; i < closer_count; i++)
		if (ends[i].revents & POLLHUP)
			close(closers[i].end);
		else
			closers[left++] = closers[i];
	closer_count = left;
}

bool closer_may_begin(uid_t user)
{
	size_t count = 0;

	forget_ended(0);
	for (size_t i = 0; i < closer_count; i++)
		count += closers[i].user == user;
	return count < USER_CLOSERS_MAX && count < CLOSERS_MAX - closer_count;
}

bool closer_has_young(uid_t user)
{
	uint64_t now_us = clock_us();

	forget_ended(0);
	for (size_t i = 0; i < closer_count; i++)
		if (closers[i].user == user && now_us - closers[i].since_us < YOUNG_US)
			return true;
	return false;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_others(int *kept, size_t count)
{
	unsigned next = 0;

	qsort(kept, count, sizeof(*kept), by_number);
	for (size_t i = 0; i < count; i++) {
		unsigned fd = kept[i];

		if (fd > next)
			close_range_at_once(next, fd - 1);
		next = fd + 1;
	}
	close_range_at_once(next, ~0U);
}

/* What a closer has, and its end of the pair. */
struct last {
	const int *fds;
	size_t count;
	int end;
};

/* Until lbd has closed its own, or has ended: only then these are the last. */
static void be_closer(void *arg)
{
	const struct last *last = arg;
	int kept[CLOSER_MOST + 1];
	char byte;

	/* Not by libc's function: a sanitizer's takes a lock, which a thread may have had at the fork. */
	syscall(SYS_prctl, PR_SET_NAME, "lbd-closer");
	memcpy(kept, last->fds, last->count * sizeof(*kept));
	kept[last->count] = last->end;
	close_others(kept, last->count + 1);
	if (write(last->end, "", 1) != 1)
		_exit(1);
	while (read(last->end, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* The closer's end, where it can be had above the descriptors: those of a process are closed in order of number. */
static int pair_ends(int ends[2], const int *fds, size_t count)
{
	int most = 0, above;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	for (size_t i = 0; i < count; i++)
		most = fds[i] > most ? fds[i] : most;
	above = fcntl(ends[1], F_DUPFD_CLOEXEC, most + 1);
	if (above >= 0) {
		close(ends[1]);
		ends[1] = above;
	}
	return 0;
}

/* Until then who looks for the holder of one of lbd's other sockets may find the closer. */
static void await_alone(int end)
{
	struct pollfd alone = {.fd = end, .events = POLLIN};

	while (poll(&alone, 1, PATIENCE_MS) < 0 && errno == EINTR)
		;
}

bool closer_end_with(uid_t user, const int *fds, size_t count)
{
	int ends[2];
	bool started;

	forget_ended(closer_count == CLOSERS_MAX ? PATIENCE_MS : 0);
	if (closer_count == CLOSERS_MAX || pair_ends(ends, fds, count))
		return false;
	started = grandchild_start(be_closer, &(struct last){fds, count, ends[1]});
	close(ends[1]);
	if (!started) {
		close(ends[0]);
		return false;
	}
	await_alone(ends[0]);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	shutdown(ends[0], SHUT_WR);
	closers[closer_count++] = (struct closer){user, ends[0], clock_us()};
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "stranger.h"
#include "unit/descriptors.h"
#include "unit/own_netns.h"

enum {
	LINGER_S = 600, /* no test lasts so long: who waits for it hangs */
	AT_ONCE_S = LINGER_S / 4,
	DESCRIPTORS_MAX = 253,
	CLOSES_MAX = 256,
	USER_CLOSES_MAX = 32,
	LATER_MAX = 1024,
	BATCH_MAX = 256,
	DESCRIPTORS = USER_CLOSES_MAX * BATCH_MAX + 1000,
	USER = 1000, /* and those after it */
	TAKEN_USER = USER + 100,
};

static ssize_t try_send_fds(int to, const int *fds, size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct iovec vector = {"X=x", 3};
	struct msghdr message = {.msg_iov = &vector,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = CMSG_SPACE(count * sizeof(int))};

	control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
	return sendmsg(to, &message, 0);
}

static void send_fds(int to, const int *fds, size_t count)
{
	assert_int_equal(try_send_fds(to, fds, count), 3);
}

/* A connection whose last close lasts as long as its peer, the result, is there. */
static int lingering(int *out)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	struct linger linger = {1, LINGER_S};
	static const char bytes[1 << 16];
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0), peer;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	peer = accept(listener, NULL, NULL);
	assert_true(peer >= 0);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(listener);
	*out = fd;
	return peer;
}

static int send_lingering(int to)
{
	int fd, peer = lingering(&fd);

	send_fds(to, &fd, 1);
	close(fd);
	return peer;
}

/* A kernel before 6.16 does not refuse descriptors for lbd, and says so. */
static void test_refused(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	if (stranger_refuse(ends[1])) {
		assert_int_equal(try_send_fds(ends[0], (int[]){STDIN_FILENO}, 1), -1);
		assert_int_equal(errno, EPERM);
	} else {
		assert_int_equal(errno, ENOPROTOOPT);
	}
	assert_int_equal(send(ends[0], "X=x", 3, 0), 3);
	close(ends[0]), close(ends[1]);
}

/* All that a message can hold is received and closed. */
static void test_most_descriptors(void **state)
{
	int ends[2], pipe_ends[2], fds[DESCRIPTORS_MAX], flags;
	struct ucred sender;
	struct pollfd hung;
	char text[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	for (size_t i = 0; i < DESCRIPTORS_MAX; i++)
		fds[i] = pipe_ends[1];
	assert_int_equal(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)), 0);
	send_fds(ends[0], fds, DESCRIPTORS_MAX);
	close(pipe_ends[1]);
	assert_int_equal(stranger_recv(ends[1], USER, text, sizeof(text), &sender, &flags), 3);
	assert_memory_equal(text, "X=x", 3);
	assert_int_equal(sender.pid, getpid());
	assert_int_equal(flags & (MSG_CTRUNC | MSG_TRUNC), 0);
	hung = (struct pollfd){.fd = pipe_ends[0]};
	assert_int_equal(poll(&hung, 1, AT_ONCE_S * 1000), 1);
	assert_int_equal(hung.revents & POLLHUP, POLLHUP);
	close(pipe_ends[0]);
	stranger_close(ends[0], USER);
	stranger_close(ends[1], USER);
}

static ssize_t recv_as(int fd, uid_t user)
{
	char text[8];

	return stranger_recv(fd, user, text, sizeof(text), NULL, NULL);
}

static ssize_t recv_retried(int fd, uid_t user, uint64_t end_us)
{
	ssize_t got;

	while ((got = recv_as(fd, user)) < 0 && errno == EBUSY && clock_us() < end_us)
		poll(NULL, 0, 10);
	return got;
}

static void expect_busy(int fd, uid_t user)
{
	assert_int_equal(recv_as(fd, user), -1);
	assert_int_equal(errno, EBUSY);
}

/* As many as may last do, of one user and of all; another is not received; it is when one has ended. */
static void test_lasting_closes(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	uid_t other = USER + CLOSES_MAX / USER_CLOSES_MAX;
	int ends[2], peers[CLOSES_MAX + 1], peer;

	(void)state;
	need_privilege();
	need_descriptors(DESCRIPTORS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	for (size_t i = 0; i < CLOSES_MAX; i++) {
		uid_t user = USER + i / USER_CLOSES_MAX;

		peers[i] = send_lingering(ends[0]);
		assert_int_equal(recv_retried(ends[1], user, end_us), 3);
		if (i % USER_CLOSES_MAX == USER_CLOSES_MAX - 1)
			expect_busy(ends[1], user);
	}
	peers[CLOSES_MAX] = send_lingering(ends[0]);
	expect_busy(ends[1], other);
	close(peers[0]);
	assert_int_equal(recv_retried(ends[1], other, end_us), 3);

	/* With all threads taken: what a closed socket's queue holds. */
	peer = send_lingering(ends[0]);
	stranger_close(ends[1], other);
	assert_true(clock_us() < end_us);
	close(peer);
	for (size_t i = 1; i <= CLOSES_MAX; i++)
		close(peers[i]);
	close(ends[0]);
}

/* With threads free: the same. */
static void test_closed_with_a_queue(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int ends[2], peer;

	(void)state;
	need_privilege();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer = send_lingering(ends[0]);
	stranger_close(ends[1], USER);
	assert_true(clock_us() < end_us);
	close(peer);
	close(ends[0]);
}

/* Closes a socket that holds them. */
static void close_holding(const int *fds, size_t count, uid_t user)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	send_fds(ends[0], fds, count);
	close(ends[0]);
	for (size_t i = 1; i < count; i++)
		close(fds[i]);
	stranger_close(ends[1], user);
}

/* More sockets than can wait for a thread: those that do end with a child, none is closed here. */
static void test_many_closed(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int ends[2], peers[USER_CLOSES_MAX + 2], pipe_ends[2], fds[2];
	struct pollfd hung;

	(void)state;
	need_privilege();
	need_descriptors(DESCRIPTORS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	for (size_t i = 0; i < USER_CLOSES_MAX; i++) {
		peers[i] = send_lingering(ends[0]);
		assert_int_equal(recv_retried(ends[1], USER, end_us), 3);
	}
	assert_int_equal(pipe(pipe_ends), 0);
	fds[0] = pipe_ends[1];
	for (size_t i = 0; i < LATER_MAX - 1; i++)
		close_holding(fds, 1, USER);
	for (size_t i = 0; i < 2; i++) {
		peers[USER_CLOSES_MAX + i] = lingering(&fds[1]);
		close_holding(fds, 2, USER);
	}
	assert_true(clock_us() < end_us);

	/* With its threads free again the one that still waits has its turn: then nobody has the pipe. */
	close(pipe_ends[1]);
	for (size_t i = 0; i < USER_CLOSES_MAX + 2; i++)
		close(peers[i]);
	hung = (struct pollfd){.fd = pipe_ends[0]};
	while (!poll(&hung, 1, 10) && clock_us() < end_us)
		recv_as(ends[1], USER + 1);
	assert_int_equal(hung.revents & POLLHUP, POLLHUP);
	close(pipe_ends[0]);
	close(ends[0]), close(ends[1]);
}

static uint64_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* A file in the place of the socket that was looked for is given back, also one of the same inode number. */
static void test_taken(void **state)
{
	int self = pidfd_open(getpid(), 0), ends[2], pipe_ends[2], fd;
	struct pollfd hung;

	(void)state;
	need_privilege();
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	fd = stranger_take(self, ends[0], inode_of(ends[0]), USER);
	assert_true(fd >= 0);
	assert_int_equal(inode_of(fd), inode_of(ends[0]));
	stranger_give_back(fd, USER);
	assert_int_equal(stranger_take(self, ends[0], inode_of(ends[1]), USER), -ESTALE);
	assert_int_equal(stranger_take(self, 100000, inode_of(ends[1]), USER), -EBADF);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(stranger_take(self, pipe_ends[1], inode_of(pipe_ends[1]), USER), -ESTALE);
	stranger_flush();
	close(pipe_ends[1]);
	hung = (struct pollfd){.fd = pipe_ends[0]};
	assert_int_equal(poll(&hung, 1, AT_ONCE_S * 1000), 1);
	assert_int_equal(hung.revents & POLLHUP, POLLHUP);
	close(pipe_ends[0]);
	close(ends[0]), close(ends[1]), close(self);
}

static int taken_from(int self, int fd, uid_t user)
{
	int taken = stranger_take(self, fd, inode_of(fd), user);

	assert_true(taken >= 0);
	return taken;
}

/*
 * What was taken may have become one whose close lasts, and lbd be the last who has it.  Others of that user are taken
 * by the thousand for all that, and none is shut down.
 */
static void test_given_back(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int self = pidfd_open(getpid(), 0), ends[2], peers[USER_CLOSES_MAX], fd;
	char text[4];

	(void)state;
	need_privilege();
	need_descriptors(DESCRIPTORS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	for (size_t i = 0; i < USER_CLOSES_MAX; i++) {
		peers[i] = lingering(&fd);
		stranger_give_back(taken_from(self, fd, TAKEN_USER), TAKEN_USER);
		close(fd);
		for (size_t other = 1; other < BATCH_MAX; other++)
			stranger_give_back(taken_from(self, ends[0], TAKEN_USER), TAKEN_USER);
	}
	stranger_flush();
	assert_true(clock_us() < end_us);
	assert_int_equal(stranger_take(self, ends[0], inode_of(ends[0]), TAKEN_USER), -EBUSY);
	assert_int_equal(write(ends[0], "X=x", 3), 3);
	assert_int_equal(read(ends[1], text, sizeof(text)), 3);
	for (size_t i = 0; i < USER_CLOSES_MAX; i++)
		close(peers[i]);
	close(ends[0]), close(ends[1]), close(self);
}

/* One that refuses descriptors by now may have been sent some before. */
static void test_given_back_with_a_queue(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int self = pidfd_open(getpid(), 0), ends[2], peer, taken;

	(void)state;
	need_privilege();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer = send_lingering(ends[0]);
	stranger_refuse(ends[1]); /* since 6.16 */
	taken = taken_from(self, ends[1], TAKEN_USER + 1);
	close(ends[1]);
	stranger_give_back(taken, TAKEN_USER + 1);
	stranger_flush();
	assert_true(clock_us() < end_us);
	close(peer), close(ends[0]), close(self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_given_back_with_a_queue),
		cmocka_unit_test(test_most_descriptors),
		cmocka_unit_test(test_closed_with_a_queue),
		cmocka_unit_test(test_lasting_closes),
		cmocka_unit_test(test_many_closed),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("stranger", tests, NULL, NULL);
}

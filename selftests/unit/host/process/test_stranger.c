/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
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

#include "base/clock.h"
#include "host/process/aside.h"
#include "host/process/stranger.h"
#include "unit/descriptors.h"
#include "unit/own_netns.h"

enum {
	LINGER_S = 600, /* no test lasts so long: who waits for it hangs */
	AT_ONCE_S = LINGER_S / 4,
	DESCRIPTORS_MAX = 253,
	LASTING = 100, /* closes, of one user: more than there may be closers at a time */
	TAKEN = 3000,  /* more than one closer takes */
	DESCRIPTORS = TAKEN + 1000,
	USER = 1000,
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

/* Closers' ends, also of the test before, are forgotten with the next call. */
static void expect_descriptors(int fd, int most, uint64_t end_us)
{
	while (own_descriptors() > most && clock_us() < end_us) {
		poll(NULL, 0, 10);
		recv_as(fd, USER);
	}
	assert_in_range(own_descriptors(), 0, most);
}

/* Closes that last hold nobody up, and no descriptor stays here: the next program would have it, too. */
static void test_lasting_closes(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int ends[2], peers[LASTING], before;

	(void)state;
	need_privilege();
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	before = own_descriptors();
	for (size_t i = 0; i < LASTING; i++) {
		peers[i] = send_lingering(ends[0]);
		assert_int_equal(recv_retried(ends[1], USER, end_us), 3);
	}
	expect_descriptors(ends[1], before + LASTING, end_us);
	assert_true(clock_us() < end_us);
	for (size_t i = 0; i < LASTING; i++)
		close(peers[i]);
	close(ends[0]), close(ends[1]);
}

/* The same of what a closed socket's queue holds. */
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

/* More than there may be closers, some of which hold such ones. */
static void test_many_closed(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int ends[2], peers[LASTING], pipe_ends[2], fds[2], before;
	struct pollfd hung;

	(void)state;
	need_privilege();
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	before = own_descriptors();
	fds[0] = pipe_ends[1];
	for (size_t i = 0; i < LASTING; i++) {
		peers[i] = lingering(&fds[1]);
		close_holding(fds, 2, USER);
	}
	expect_descriptors(ends[1], before + LASTING, end_us);
	close(pipe_ends[1]);
	hung = (struct pollfd){.fd = pipe_ends[0]};
	assert_int_equal(poll(&hung, 1, AT_ONCE_S * 1000), 1);
	assert_int_equal(hung.revents & POLLHUP, POLLHUP);
	for (size_t i = 0; i < LASTING; i++)
		close(peers[i]);
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

/* What was taken may have become one whose close lasts, and lbd be the last who has it; none is shut down. */
static void test_given_back(void **state)
{
	uint64_t end_us = clock_us() + AT_ONCE_S * 1000000ull;
	int self = pidfd_open(getpid(), 0), ends[2], peers[LASTING], fd, before;
	char text[4];

	(void)state;
	need_privilege();
	need_descriptors(DESCRIPTORS);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	before = own_descriptors();
	for (size_t i = 0; i < LASTING; i++) {
		peers[i] = lingering(&fd);
		stranger_give_back(taken_from(self, fd, USER), USER);
		close(fd);
	}
	for (size_t i = 0; i < TAKEN; i++)
		stranger_give_back(taken_from(self, ends[0], USER), USER);
	stranger_flush();
	expect_descriptors(ends[0], before + LASTING, end_us);
	assert_true(clock_us() < end_us);
	assert_int_equal(write(ends[0], "X=x", 3), 3);
	assert_int_equal(read(ends[1], text, sizeof(text)), 3);
	for (size_t i = 0; i < LASTING; i++)
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
	taken = taken_from(self, ends[1], USER);
	close(ends[1]);
	stranger_give_back(taken, USER);
	stranger_flush();
	assert_true(clock_us() < end_us);
	close(peer), close(ends[0]), close(self);
}

static int wait_for_ever(const void *arg)
{
	(void)arg;
	pause();
	return -EINTR;
}

static int refuse(const void *arg)
{
	(void)arg;
	return -ESTALE;
}

static int open_it(const void *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* What lasts is given up; what was opened is ours, and so is the word of why not. */
static void test_aside(void **state)
{
	struct stat here, there;
	int fd;

	(void)state;
	assert_int_equal(aside_get(wait_for_ever, NULL), -ETIMEDOUT);
	assert_int_equal(aside_get(refuse, NULL), -ESTALE);
	fd = aside_get(open_it, "/dev/null");
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &here), 0);
	assert_int_equal(stat("/dev/null", &there), 0);
	assert_int_equal(here.st_rdev, there.st_rdev);
	close(fd);
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
		cmocka_unit_test(test_aside),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("stranger", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those who have an old listener can do when it is renewed, and when it is taken from them.
 */
#include "host/net/inherit.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "base/clock.h"
#include "unit/own_netns.h"

enum { USER = 1000, RENEWALS = 300 };

static int inode_of(const int fds[2])
{
	return inherit_inode(fds[0] >= 0 ? fds[0] : fds[1]);
}

static void open_at(const char *address, struct lb_endpoint *endpoint, bool dual_stack, int fds[2])
{
	struct error error;

	assert_int_equal(addr_parse_endpoint(address, endpoint, &error), 0);
	assert_int_equal(inherit_open(endpoint, dual_stack, 16, fds, &error), 0);
}

static void renew(const struct lb_endpoint *endpoint, bool dual_stack, int fds[2])
{
	int before = inode_of(fds);
	struct error error;

	if (inherit_renew(endpoint, dual_stack, 16, fds, USER, &error))
		fail_msg("%s", error.text);
	assert_int_not_equal(inode_of(fds), before);
}

static void set(int fd, int option, int value)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)), 0);
}

static void check_renewed(const char *address, bool dual_stack, bool next_dual_stack)
{
	struct lb_endpoint endpoint;
	int fds[2], held, value;
	socklen_t length = sizeof(value);

	open_at(address, &endpoint, dual_stack, fds);
	held = dup(fds[0] >= 0 ? fds[0] : fds[1]);
	set(held, SO_REUSEADDR, 0);
	renew(&endpoint, next_dual_stack, fds);
	assert_true(inherit_fits(fds, &endpoint.addr, next_dual_stack));
	for (int i = 0; i < 2; i++) {
		if (fds[i] < 0)
			continue;
		assert_int_equal(inherit_listen_again(fds[i], 16), 0);
		assert_int_equal(getsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &value, &length), 0);
		assert_int_equal(value, 0);
	}
	/* Who has an old one does not get in beside the new one. */
	set(held, SO_REUSEPORT, 1);
	assert_int_equal(listen(held, 16), -1);
	assert_int_equal(errno, EADDRINUSE);
	inherit_end(fds, USER);
	inherit_close(fds, USER);
	close(held);
}

static void test_renewed(void **state)
{
	static const char *const addresses[] = {"127.0.0.1:7052", "0.0.0.0:7052", "[::1]:7052",
						"[::]:7052"};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++)
		for (int ways = 0; ways < 4; ways++)
			check_renewed(addresses[i], ways & 1, ways & 2);
}

struct meddler {
	int fd;
	atomic_bool is_over;
};

static void *meddle(void *arg)
{
	struct meddler *meddler = arg;
	int cleared = 0;

	while (!atomic_load(&meddler->is_over))
		setsockopt(meddler->fd, SOL_SOCKET, SO_REUSEPORT, &cleared, sizeof(cleared));
	return NULL;
}

/* Who clears SO_REUSEPORT again and again gains a gap, and does not keep lbd from the port. */
static void test_hindered(void **state)
{
	struct lb_endpoint endpoint;
	int fds[2];

	(void)state;
	need_privilege();
	open_at("127.0.0.1:7053", &endpoint, false, fds);
	for (size_t i = 0; i < RENEWALS; i++) {
		struct meddler meddler = {.fd = dup(fds[0])};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, meddle, &meddler), 0);
		renew(&endpoint, false, fds);
		atomic_store(&meddler.is_over, true);
		pthread_join(thread, NULL);
		close(meddler.fd);
	}
	inherit_close(fds, USER);
}

enum { MOVES = 200, HIGH = 900, LOW = 60, WINDOW_US = 2000 };

/* As a child does on its way to exec: the lower number first, then the higher one is closed. */
static pid_t fork_mover(int fd, atomic_bool *go, unsigned delay_us)
{
	pid_t pid = fork();
	uint64_t until_us;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	dup2(fd, HIGH);
	close(fd);
	*go = true;
	for (until_us = clock_us() + delay_us; clock_us() < until_us;)
		;
	dup2(HIGH, LOW);
	close(HIGH);
	pause();
	_exit(0);
}

/* It has it all the time, by one number or another. */
static void test_taken_while_it_moves(void **state)
{
	atomic_bool *go =
		mmap(NULL, sizeof(*go), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct lb_endpoint endpoint;
	int fds[2];

	(void)state;
	need_privilege();
	assert_true(go != MAP_FAILED);
	open_at("127.0.0.1:7080", &endpoint, false, fds);
	for (unsigned i = 0; i < MOVES; i++) {
		pid_t pid;
		int taken;

		*go = false;
		pid = fork_mover(fds[0], go, i * WINDOW_US / MOVES);
		while (!*go)
			;
		taken = inherit_take(pid, inherit_inode(fds[0]));
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		if (taken < 0)
			fail_msg("move %u: %s", i, strerror(-taken));
		close(taken);
	}
	inherit_close(fds, geteuid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_hindered),
		cmocka_unit_test(test_taken_while_it_moves),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("inherit", tests, NULL, NULL);
}

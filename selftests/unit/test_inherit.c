/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What those who have an old listener can do when it is renewed.
 */
#include "inherit.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "addr.h"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_hindered),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("inherit", tests, NULL, NULL);
}

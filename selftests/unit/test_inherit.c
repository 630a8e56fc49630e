/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which options of a listener are told from those of a new one, and that those which servers set are not; and what
 * those who have an old one can do when it is renewed.
 */
#include "inherit.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "addr.h"
#include "unit/own_netns.h"

static struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
static const struct sock_fprog drop_all = {.len = 1, .filter = none};
static const struct linger reset = {.l_onoff = 1};
static const int one = 1, most = 255, mss = 100, rate = 1;
static const unsigned char route[] = {131, 7, 4, 192, 0, 2, 9, 0}; /* loose source route, end */

#define VALUE(value) &(value), sizeof(value)

static const struct row {
	const char *name;
	int level, option;
	const void *value;
	socklen_t bytes;
	int family; /* 0: either */
	const char *told;
} rows[] = {
	{"interface", SOL_SOCKET, SO_BINDTOIFINDEX, VALUE(one), 0, "SO_BINDTOIFINDEX"},
	{"mark", SOL_SOCKET, SO_MARK, VALUE(one), 0, "SO_MARK"},
	{"no route", SOL_SOCKET, SO_DONTROUTE, VALUE(one), 0, "SO_DONTROUTE"},
	{"low-water mark", SOL_SOCKET, SO_RCVLOWAT, VALUE(most), 0, "SO_RCVLOWAT"},
	{"pace", SOL_SOCKET, SO_MAX_PACING_RATE, VALUE(rate), 0, "SO_MAX_PACING_RATE"},
	{"filter", SOL_SOCKET, SO_ATTACH_FILTER, VALUE(drop_all), 0, "SO_ATTACH_FILTER"},
	{"least TTL", IPPROTO_IP, IP_MINTTL, VALUE(most), AF_INET, "IP_MINTTL"},
	{"TTL", IPPROTO_IP, IP_TTL, VALUE(one), AF_INET, "IP_TTL"},
	{"route", IPPROTO_IP, IP_OPTIONS, VALUE(route), AF_INET, "IP_OPTIONS"},
	{"least hops", IPPROTO_IPV6, IPV6_MINHOPCOUNT, VALUE(most), AF_INET6, "IPV6_MINHOPCOUNT"},
	{"hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS, VALUE(one), AF_INET6, "IPV6_UNICAST_HOPS"},
	{"segment", IPPROTO_TCP, TCP_MAXSEG, VALUE(mss), 0, "TCP_MAXSEG"},
	{"nothing", SOL_SOCKET, SO_KEEPALIVE, NULL, 0, 0, NULL},
	{"keepalive", SOL_SOCKET, SO_KEEPALIVE, VALUE(one), 0, NULL},
	{"buffer", SOL_SOCKET, SO_RCVBUF, VALUE(most), 0, NULL},
	{"linger", SOL_SOCKET, SO_LINGER, VALUE(reset), 0, NULL},
	{"no delay", IPPROTO_TCP, TCP_NODELAY, VALUE(one), 0, NULL},
	{"deferred", IPPROTO_TCP, TCP_DEFER_ACCEPT, VALUE(one), 0, NULL},
	{"fast open", IPPROTO_TCP, TCP_FASTOPEN, VALUE(most), 0, NULL},
};

static void check(const struct row *row, const char *address)
{
	struct lb_endpoint endpoint;
	struct error error;
	const char *told;
	int fds[2], fd;

	assert_int_equal(addr_parse_endpoint(address, &endpoint, &error), 0);
	assert_int_equal(inherit_open(&endpoint, false, 16, fds, &error), 0);
	fd = fds[0] >= 0 ? fds[0] : fds[1];
	if (row->value && setsockopt(fd, row->level, row->option, row->value, row->bytes))
		fail_msg("%s: cannot be set on %s", row->name, address);
	told = inherit_changed_option(fd);
	if (!told != !row->told || (told && strcmp(told, row->told)))
		fail_msg("%s on %s: told %s", row->name, address, told ? told : "nothing");
	close(fd);
}

static void test_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].family != AF_INET6)
			check(&rows[i], "127.0.0.1:7051");
		if (rows[i].family != AF_INET)
			check(&rows[i], "[::1]:7051");
	}
}

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
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_renewed),
		cmocka_unit_test(test_hindered),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("inherit", tests, NULL, NULL);
}

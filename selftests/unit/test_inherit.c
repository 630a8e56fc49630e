/* SPDX-License-Identifier: Apache-2.0 */
/* Which options of a listener are told from those of a new one, and that those which servers set are not. */
#include "inherit.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_options)};

	own_netns_enter();
	return cmocka_run_group_tests_name("inherit", tests, NULL, NULL);
}

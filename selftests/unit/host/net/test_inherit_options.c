/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process without privilege sets on, or of, the listener that it has inherited, and that the next process serves
 * clients all the same, with a listener as a new one is.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "host/net/inherit.h"
#include "host/net/inherit_options.h"
#include "unit/own_netns.h"

enum {
	NOBODY = 65534,
	BACKLOG = 16,
	PATIENCE_MS = 20000, /* for what is to come: never waited for in full */
	DEADLINE_MS = 200,   /* for what is not */
	LAST_OPTION = 130,
	STATE_BYTES = 64,
	IP_PROTOCOL_5_18 = 52, /* older headers lack it: the port, of such a socket */
};

struct route6 { /* a segment routing header, RFC 8754, of one segment */
	uint8_t next, length, type, left, last, flags;
	uint16_t tag;
	uint8_t segment[16];
};

static struct sock_filter none[] = {BPF_STMT(BPF_RET | BPF_K, 0)};
static const struct sock_fprog drop_all = {.len = 1, .filter = none};
static const struct linger reset = {.l_onoff = 1}, late = {1, 5};
static const struct timeval at_once = {.tv_usec = 1};
static const int zero = 0, one = 1, two = 2, most = 255, mss = 100, delay_us = 100 * 1000 * 1000;
static const int probe = IP_PMTUDISC_PROBE, longest = INT32_MAX, stamps = 2 | 16, minus = -1;
static const unsigned char route[] = {131, 7, 4, 192, 0, 2, 9, 0}; /* loose source route, end */
static const struct route6 nowhere = {.length = 2, .type = 4, .segment = {0xfd, [15] = 1}};
static const struct tcp_md5sig any4 = {.tcpm_addr = {.ss_family = AF_INET},
				       .tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
				       .tcpm_keylen = 1,
				       .tcpm_key = "k"};
static const struct tcp_md5sig any6 = {.tcpm_addr = {.ss_family = AF_INET6},
				       .tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
				       .tcpm_keylen = 1,
				       .tcpm_key = "k"};
static const int five = 5, large = 1 << 17;
static const char reno[] = "reno", loopback[] = "lo";

#define VALUE(value) &(value), sizeof(value)

enum effect { MILD, OUT }; /* OUT: no client of this machine is served while it is set */

static const struct row {
	const char *name;
	int level, option;
	const void *value;
	socklen_t bytes;
	int family; /* 0: either */
	enum effect effect;
	const char *told; /* for which it is opened anew; NULL: it is put back */
} rows[] = {
	{"interface", SOL_SOCKET, SO_BINDTOIFINDEX, VALUE(two), 0, OUT, "SO_BINDTOIFINDEX"},
	{"mark", SOL_SOCKET, SO_MARK, VALUE(one), 0, MILD, "SO_MARK"},
	{"no route", SOL_SOCKET, SO_DONTROUTE, VALUE(one), 0, MILD, "SO_DONTROUTE"},
	{"low-water mark", SOL_SOCKET, SO_RCVLOWAT, VALUE(most), 0, OUT, "SO_RCVLOWAT"},
	{"pace", SOL_SOCKET, SO_MAX_PACING_RATE, VALUE(one), 0, MILD, "SO_MAX_PACING_RATE"},
	{"filter", SOL_SOCKET, SO_ATTACH_FILTER, VALUE(drop_all), 0, OUT, "SO_ATTACH_FILTER"},
	{"locked filter", SOL_SOCKET, SO_LOCK_FILTER, VALUE(one), 0, MILD, "SO_LOCK_FILTER"},
	{"least TTL", IPPROTO_IP, IP_MINTTL, VALUE(most), AF_INET, OUT, "IP_MINTTL"},
	{"TTL", IPPROTO_IP, IP_TTL, VALUE(one), 0, MILD, "IP_TTL"},
	{"route", IPPROTO_IP, IP_OPTIONS, VALUE(route), 0, MILD, "IP_OPTIONS"},
	{"least hops", IPPROTO_IPV6, IPV6_MINHOPCOUNT, VALUE(most), AF_INET6, OUT,
	 "IPV6_MINHOPCOUNT"},
	{"hops", IPPROTO_IPV6, IPV6_UNICAST_HOPS, VALUE(one), AF_INET6, MILD, "IPV6_UNICAST_HOPS"},
	{"IPv6 route", IPPROTO_IPV6, IPV6_RTHDR, VALUE(nowhere), AF_INET6, OUT, "IPV6_RTHDR"},
	{"segment", IPPROTO_TCP, TCP_MAXSEG, VALUE(mss), 0, MILD, "TCP_MAXSEG"},
	{"window", IPPROTO_TCP, TCP_WINDOW_CLAMP, VALUE(one), 0, MILD, "TCP_WINDOW_CLAMP"},
	{"delay", IPPROTO_TCP, TCP_TX_DELAY, VALUE(delay_us), 0, MILD, "TCP_TX_DELAY"},
	{"key", IPPROTO_TCP, TCP_MD5SIG_EXT, VALUE(any4), AF_INET, OUT, "TCP_MD5SIG"},
	{"key", IPPROTO_TCP, TCP_MD5SIG_EXT, VALUE(any6), AF_INET6, OUT, "TCP_MD5SIG"},
	{"nothing", SOL_SOCKET, SO_KEEPALIVE, NULL, 0, 0, MILD, NULL},
	{"keepalive", SOL_SOCKET, SO_KEEPALIVE, VALUE(one), 0, MILD, NULL},
	{"receive buffer", SOL_SOCKET, SO_RCVBUF, VALUE(one), 0, MILD, NULL},
	{"send buffer", SOL_SOCKET, SO_SNDBUF, VALUE(one), 0, MILD, NULL},
	{"linger", SOL_SOCKET, SO_LINGER, VALUE(reset), 0, MILD, NULL},
	{"linger long", SOL_SOCKET, SO_LINGER, VALUE(late), 0, MILD, NULL},
	{"receive time", SOL_SOCKET, SO_RCVTIMEO, VALUE(at_once), 0, MILD, NULL},
	{"send time", SOL_SOCKET, SO_SNDTIMEO, VALUE(at_once), 0, MILD, NULL},
	{"time stamps", SOL_SOCKET, SO_TIMESTAMPING, VALUE(stamps), 0, MILD, NULL},
	{"peek", SOL_SOCKET, SO_PEEK_OFF, VALUE(one), 0, MILD, NULL},
	{"beside", SOL_SOCKET, SO_REUSEPORT, VALUE(one), 0, MILD, NULL},
	{"path MTU", IPPROTO_IP, IP_MTU_DISCOVER, VALUE(probe), 0, MILD, NULL},
	{"IPv6 path MTU", IPPROTO_IPV6, IPV6_MTU_DISCOVER, VALUE(probe), AF_INET6, MILD, NULL},
	{"errors", IPPROTO_IP, IP_RECVERR, VALUE(one), 0, MILD, NULL},
	{"delay of parts", IPPROTO_TCP, TCP_NODELAY, VALUE(zero), 0, MILD, NULL},
	{"cork", IPPROTO_TCP, TCP_CORK, VALUE(one), 0, MILD, NULL},
	{"deferred", IPPROTO_TCP, TCP_DEFER_ACCEPT, VALUE(one), 0, MILD, NULL},
	{"fast open", IPPROTO_TCP, TCP_FASTOPEN, VALUE(most), 0, MILD, NULL},
	{"time limit", IPPROTO_TCP, TCP_USER_TIMEOUT, VALUE(one), 0, MILD, NULL},
	{"retries", IPPROTO_TCP, TCP_SYNCNT, VALUE(one), 0, MILD, NULL},
	{"after close", IPPROTO_TCP, TCP_LINGER2, VALUE(minus), 0, MILD, NULL},
	{"congestion", IPPROTO_TCP, TCP_CONGESTION, VALUE(reno), 0, MILD, NULL},
};

static const char *const addresses[] = {"127.0.0.1:7051", "[::1]:7051"};
static const char *const fresh_addresses[] = {"127.0.0.1:7050", "[::1]:7050"};

static int first(const int fds[2])
{
	return fds[0] >= 0 ? fds[0] : fds[1];
}

static int open_at(const char *address, struct lb_endpoint *endpoint, int fds[2])
{
	struct error error;

	assert_int_equal(addr_parse_endpoint(address, endpoint, &error), 0);
	assert_int_equal(inherit_open(endpoint, false, BACKLOG, fds, &error), 0);
	return first(fds);
}

static void end(int fds[2])
{
	inherit_end(fds, NOBODY);
	inherit_close(fds, NOBODY);
}

/* As a worker of that user's does it: capabilities go and come with the effective user.  False: it is refused. */
static bool set_as(uid_t user, int fd, int level, int option, const void *value, socklen_t bytes)
{
	bool is_set;

	assert_int_equal(seteuid(user), 0);
	is_set = !setsockopt(fd, level, option, value, bytes);
	assert_int_equal(seteuid(0), 0);
	return is_set;
}

static bool comes(int fd, short what, int limit_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = what};

	return poll(&poll_fd, 1, limit_ms) == 1 && poll_fd.revents & what;
}

/* Of a client's connection: it is accepted, a request is read, an answer comes. */
static bool answers(int listener, int client, int limit_ms)
{
	char text[8];
	int fd;
	bool is_answered;

	if (!comes(listener, POLLIN, limit_ms))
		return false;
	fd = accept(listener, NULL, NULL);
	is_answered = fd >= 0 && send(client, "ask", 3, MSG_NOSIGNAL) == 3 &&
		      comes(fd, POLLIN, limit_ms) && read(fd, text, sizeof(text)) == 3 &&
		      send(fd, "tell", 4, MSG_NOSIGNAL) == 4 && comes(client, POLLIN, limit_ms) &&
		      read(client, text, sizeof(text)) == 4;
	if (fd >= 0)
		close(fd);
	return is_answered;
}

static bool serves(int listener, int limit_ms)
{
	struct sockaddr_storage sa = {0};
	socklen_t length = sizeof(sa);
	int client;
	bool is_served;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &length), 0);
	client = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(client >= 0);
	(void)connect(client, (struct sockaddr *)&sa, length);
	is_served = comes(client, POLLOUT, limit_ms) && answers(listener, client, limit_ms);
	close(client);
	return is_served;
}

/* What is another for each socket or moment; a filter is written beyond any room; a key of cookies does no harm. */
static bool is_its_own(int level, int option)
{
	return (level == SOL_SOCKET &&
		(option == SO_COOKIE || option == SO_MEMINFO || option == SO_ATTACH_FILTER)) ||
	       (level == IPPROTO_IP && option == IP_PROTOCOL_5_18) ||
	       (level == IPPROTO_TCP && (option == TCP_TIMESTAMP || option == TCP_FASTOPEN_KEY));
}

static bool is_same(int fd, int fresh, int level, int option)
{
	char is[STATE_BYTES] = {0}, was[STATE_BYTES] = {0};
	socklen_t is_length = sizeof(is), was_length = sizeof(was);
	/* Of SO_LINGER the time that nobody waits for. */
	size_t bytes = level == SOL_SOCKET && option == SO_LINGER ? sizeof(int) : sizeof(is);
	int err = getsockopt(fd, level, option, is, &is_length);

	return err == getsockopt(fresh, level, option, was, &was_length) &&
	       (err || (is_length == was_length && !memcmp(is, was, bytes)));
}

static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP};

/* Whatever is there to be read, known to us or not. */
static void expect_as_new(const char *name, int fd, int fresh)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		for (int option = 1; option < LAST_OPTION; option++)
			if (!is_its_own(levels[i], option) &&
			    !is_same(fd, fresh, levels[i], option))
				fail_msg("%s: option %d of level %d is not as a new listener's",
					 name, option, levels[i]);
}

/* What lbd does between two processes. */
static const char *prepare(const struct lb_endpoint *endpoint, int fds[2])
{
	const char *told = inherit_restore_options(first(fds));
	struct error error;

	if (told && inherit_renew(endpoint, false, BACKLOG, fds, NOBODY, &error))
		fail_msg("%s", error.text);
	return told;
}

/* SO_MARK needs a privilege, and where the kernel has no memory left for it, a filter does. */
static bool set_row(uid_t user, int fd, const struct row *row)
{
	return set_as(user, fd, row->level, row->option, row->value, row->bytes);
}

static void check(const struct row *row, const char *address, int fresh)
{
	struct lb_endpoint endpoint;
	int fds[2], fd = open_at(address, &endpoint, fds);
	const char *told;

	if (row->value && !set_row(NOBODY, fd, row) && !set_row(0, fd, row)) {
		if (errno != ENOPROTOOPT && errno != EOPNOTSUPP)
			fail_msg("%s: cannot be set on %s", row->name, address);
		print_message("%s: not in this kernel\n", row->name);
		end(fds);
		return;
	}
	if (row->effect == OUT && serves(fd, DEADLINE_MS))
		fail_msg("%s: does not keep clients from %s", row->name, address);
	told = prepare(&endpoint, fds);
	if (!told != !row->told || (told && strcmp(told, row->told)))
		fail_msg("%s on %s: told %s", row->name, address, told ? told : "nothing");
	expect_as_new(row->name, first(fds), fresh);
	if (!serves(first(fds), PATIENCE_MS))
		fail_msg("%s: %s does not serve after it", row->name, address);
	end(fds);
}

static void test_options(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct lb_endpoint endpoint;
	int fds[2];

	(void)state;
	need_privilege();
	for (size_t i = 0; i < 2; i++) {
		int fresh = open_at(fresh_addresses[i], &endpoint, fds);

		for (size_t j = 0; j < sizeof(rows) / sizeof(*rows); j++)
			if (!rows[j].family || rows[j].family == families[i])
				check(&rows[j], addresses[i], fresh);
		end(fds);
	}
}

/* A process that waits in accept(2) is not to end for what the one before has set. */
static void test_flags(void **state)
{
	struct lb_endpoint endpoint;
	int fds[2], fd = open_at(addresses[0], &endpoint, fds);
	int flags = fcntl(fd, F_GETFL), copy = dup(fd);

	(void)state;
	assert_int_equal(fcntl(copy, F_SETFL, flags | O_NONBLOCK | O_ASYNC), 0);
	assert_int_not_equal(fcntl(fd, F_GETFL), flags);
	assert_null(prepare(&endpoint, fds));
	assert_int_equal(fcntl(fd, F_GETFL), flags);
	close(copy);
	end(fds);
}

static const struct {
	const void *value;
	socklen_t bytes;
} tried[] = {
	{VALUE(one)},      {VALUE(two)},     {VALUE(five)},  {VALUE(most)},    {VALUE(large)},
	{VALUE(delay_us)}, {VALUE(longest)}, {VALUE(minus)}, {VALUE(late)},    {VALUE(at_once)},
	{VALUE(stamps)},   {VALUE(reno)},    {VALUE(route)}, {VALUE(nowhere)}, {VALUE(loopback)},
};

/* Returns how many values the kernel takes. */
static unsigned try_option(const struct lb_endpoint *endpoint, int fds[2], int fresh, int level,
			   int option)
{
	char name[64];
	unsigned taken = 0;

	snprintf(name, sizeof(name), "after option %d of level %d", option, level);
	for (size_t i = 0; i < sizeof(tried) / sizeof(*tried); i++) {
		if (!set_as(NOBODY, first(fds), level, option, tried[i].value, tried[i].bytes))
			continue;
		taken++;
		prepare(endpoint, fds);
		expect_as_new(name, first(fds), fresh);
	}
	if (taken && !serves(first(fds), PATIENCE_MS))
		fail_msg("%s: no client is served", name);
	return taken;
}

/* Whatever there is to be set, known to us or not: it shows what a later kernel adds. */
static void test_all(void **state)
{
	struct lb_endpoint fresh_at, at;
	int fresh_fds[2], fds[2];

	(void)state;
	need_privilege();
	for (size_t i = 0; i < 2; i++) {
		int fresh = open_at(fresh_addresses[i], &fresh_at, fresh_fds);
		unsigned taken = 0;

		open_at(addresses[i], &at, fds);
		for (size_t j = 0; j < sizeof(levels) / sizeof(*levels); j++)
			for (int option = 1; option < LAST_OPTION; option++)
				taken += try_option(&at, fds, fresh, levels[j], option);
		assert_true(taken > 500);
		end(fresh_fds);
		end(fds);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_all),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("inherit_options", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of lbd's own: where from.  In a network namespace with few ports to choose from. */
#include "host/net/outgoing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/addr.h"
#include "host/net/ephemeral.h"
#include "unit/own_netns.h"

static struct lb_endpoint at(const char *text)
{
	struct lb_endpoint endpoint;
	struct error error;

	assert_int_equal(addr_parse_endpoint(text, &endpoint, &error), 0);
	return endpoint;
}

static void set(const char *range, const char *reserved)
{
	char command[256];

	snprintf(command, sizeof(command),
		 "sysctl -qw net.ipv4.ip_local_port_range='%s' "
		 "net.ipv4.ip_local_reserved_ports='%s'",
		 range, reserved);
	run(command);
}

static int listening(const struct lb_endpoint *where)
{
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(where, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, length), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* 0 or -errno, once it is known. */
static int outcome(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	socklen_t length = sizeof(int);
	int err;

	assert_int_equal(poll(&wait, 1, 60000), 1);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length), 0);
	return -err;
}

/* The port that a connection came from, which then ends without a trace; or -errno. */
static int source_of(const struct outgoing *outgoing, const struct lb_endpoint *to)
{
	struct linger none = {.l_onoff = 1};
	struct sockaddr_storage sa;
	socklen_t length = sizeof(sa);
	struct lb_endpoint from;
	int err, fd = outgoing_connect(outgoing, to);

	if (fd < 0)
		return fd;
	err = outcome(fd);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	assert_int_equal(addr_from_sockaddr(&sa, &from), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
	close(fd);
	return err ? err : ntohs(from.port);
}

static const struct {
	const char *name, *reserved;
	const char *backends[4];
	int source; /* of whatever connection, or -errno */
} rows[] = {
	{"a backend's is left out", "", {"127.0.0.1:7201", "127.0.0.1:7202", "[::1]:7204"}, 7203},
	{"so is one of another host, which may become a worker's",
	 "",
	 {"192.0.2.1:7201", "192.0.2.1:7202", "192.0.2.1:7203"},
	 7204},
	{"so is what is reserved", "7201,7203-7204", {NULL}, 7202},
	{"both", "7203", {"127.0.0.1:7201", "127.0.0.1:7204"}, 7202},
	{"none is left", "7203-7300", {"127.0.0.1:7201", "127.0.0.1:7202"}, -EADDRNOTAVAIL},
};

static void test_sources(void **state)
{
	const char *const targets[] = {"127.0.0.1:7101", "[::1]:7101"};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct outgoing *outgoing = outgoing_new();

		set("7201 7204", rows[i].reserved);
		outgoing_refresh(outgoing);
		for (int k = 0; k < 4 && rows[i].backends[k]; k++) {
			struct lb_endpoint backend = at(rows[i].backends[k]);

			outgoing_add(outgoing, &backend);
		}
		for (int k = 0; k < 20; k++) {
			struct lb_endpoint to = at(targets[k % 2]);
			int listener = listening(&to), source = source_of(outgoing, &to);

			if (source != rows[i].source)
				fail_msg("%s: %d", rows[i].name, source);
			close(listener);
		}
		outgoing_free(outgoing);
	}
}

/* By a backend that has gone its port is to be had again; two may have it, on two hosts. */
static void test_removed(void **state)
{
	struct outgoing *outgoing = outgoing_new();
	struct lb_endpoint one = at("127.0.0.1:7201"), two = at("127.0.0.2:7201");
	struct lb_endpoint to = at("127.0.0.1:7101");
	int listener;

	(void)state;
	need_privilege();
	listener = listening(&to);
	set("7201 7201", "");
	outgoing_refresh(outgoing);
	outgoing_add(outgoing, &one);
	outgoing_add(outgoing, &two);
	outgoing_remove(outgoing, &one);
	assert_int_equal(source_of(outgoing, &to), -EADDRNOTAVAIL);
	outgoing_remove(outgoing, &two);
	assert_int_equal(source_of(outgoing, &to), 7201);
	close(listener);
	outgoing_free(outgoing);
}

/* Nobody listens there; from its own port it would be connected, to itself. */
static void test_never_to_itself(void **state)
{
	struct outgoing *outgoing = outgoing_new();
	struct lb_endpoint dead = at("127.0.0.1:7201");

	(void)state;
	need_privilege();
	set("7201 7202", "");
	outgoing_refresh(outgoing);
	outgoing_add(outgoing, &dead);
	for (int i = 0; i < 50; i++)
		assert_int_equal(source_of(outgoing, &dead), -ECONNREFUSED);
	outgoing_free(outgoing);
}

/* What a closed check leaves behind keeps nobody from listening there, nor the next check from its port. */
static void test_leaves_no_port_taken(void **state)
{
	struct outgoing *outgoing = outgoing_new();
	struct lb_endpoint to = at("127.0.0.1:7101"), other = at("127.0.0.1:7102");
	struct lb_endpoint same = at("127.0.0.1:7201");
	int first, second, worker, client, one = 1;
	struct sockaddr_storage sa;
	socklen_t length = addr_to_sockaddr(&same, &sa);

	(void)state;
	need_privilege();
	first = listening(&to);
	second = listening(&other);
	set("7201 7201", "");
	outgoing_refresh(outgoing);
	client = outgoing_connect(outgoing, &to);
	assert_int_equal(outcome(client), 0);
	close(client); /* first: TIME_WAIT is on this side */
	assert_int_equal(source_of(outgoing, &other), 7201);
	worker = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(worker, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(worker, (struct sockaddr *)&sa, length), 0);
	assert_int_equal(listen(worker, 1), 0);
	close(worker);
	close(first);
	close(second);
	outgoing_free(outgoing);
}

static void test_ephemeral(void **state)
{
	static struct ephemeral ephemeral;

	(void)state;
	need_privilege();
	set("1024 65535", "1030,2000-2002,65535");
	ephemeral_read(&ephemeral);
	assert_false(ephemeral_has(&ephemeral, 1023));
	assert_true(ephemeral_has(&ephemeral, 1024));
	assert_false(ephemeral_has(&ephemeral, 1030));
	assert_true(ephemeral_has(&ephemeral, 1999));
	assert_false(ephemeral_has(&ephemeral, 2000));
	assert_false(ephemeral_has(&ephemeral, 2002));
	assert_true(ephemeral_has(&ephemeral, 65534));
	assert_false(ephemeral_has(&ephemeral, 65535));
	set("32768 60999", "");
	ephemeral_read(&ephemeral);
	assert_false(ephemeral_has(&ephemeral, 8081));
	assert_true(ephemeral_has(&ephemeral, 60999));
	assert_false(ephemeral_has(&ephemeral, 61000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources),         cmocka_unit_test(test_removed),
		cmocka_unit_test(test_never_to_itself), cmocka_unit_test(test_leaves_no_port_taken),
		cmocka_unit_test(test_ephemeral),
	};

	own_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

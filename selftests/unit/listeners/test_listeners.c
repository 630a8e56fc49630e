/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "host/net/match.h"

static void which_socket_serves_which_backend(void **unused)
{
	static const struct {
		const char *backend, *bound;
		bool serves;
	} rows[] = {
		{"127.0.0.1:8081", "127.0.0.1:8081", true},
		{"127.0.0.1:8081", "127.0.0.1:8082", false},
		{"127.0.0.1:8081", "127.0.0.2:8081", false},
		{"127.0.0.1:8081", "0.0.0.0:8081", true},
		{"127.0.0.1:8081", "[::]:8081", true},
		{"127.0.0.1:8081", "[::1]:8081", true}, /* `localhost`, twice */
		{"[::1]:8081", "127.0.0.1:8081", true},
		{"127.0.0.2:8081", "[::1]:8081", true},
		{"192.0.2.1:8081", "[::1]:8081", false},
		{"192.0.2.1:8081", "0.0.0.0:8081", true},
		{"0.0.0.0:8081", "127.0.0.1:8081", true},
		{"[2001:db8::1]:80", "[2001:db8::1]:80", true},
		{"[2001:db8::1]:80", "[2001:db8::2]:80", false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockets_listener listener = {0};
		struct lb_endpoint backend;
		struct error error;

		assert_int_equal(addr_parse_endpoint(rows[i].backend, &backend, &error), 0);
		assert_int_equal(addr_parse_endpoint(rows[i].bound, &listener.endpoint, &error), 0);
		listener.is_v6 = !addr_is_v4(&listener.endpoint.addr);
		if (listeners_match(&backend, &listener.endpoint) != rows[i].serves)
			fail_msg("%s served by %s", rows[i].backend, rows[i].bound);
	}
}

static void which_socket_is_in_the_way(void **unused)
{
	static const struct {
		const char *backend, *bound;
		bool v6only, blocks;
	} rows[] = {
		{"127.0.0.1:8081", "127.0.0.1:8081", false, true},
		{"127.0.0.1:8081", "127.0.0.1:8082", false, false},
		{"127.0.0.1:8081", "127.0.0.2:8081", false, false},
		{"127.0.0.1:8081", "0.0.0.0:8081", false, true},
		{"127.0.0.1:8081", "[::]:8081", false, true},
		{"127.0.0.1:8081", "[::]:8081", true, false},
		{"127.0.0.1:8081", "[::1]:8081", false, false},
		{"0.0.0.0:8081", "127.0.0.2:8081", false, true},
		{"0.0.0.0:8081", "[::1]:8081", true, false},
		{"[::1]:8081", "[::]:8081", true, true},
		{"[::1]:8081", "0.0.0.0:8081", false, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockets_listener listener = {.v6only = rows[i].v6only};
		struct lb_endpoint backend;
		struct error error;

		assert_int_equal(addr_parse_endpoint(rows[i].backend, &backend, &error), 0);
		assert_int_equal(addr_parse_endpoint(rows[i].bound, &listener.endpoint, &error), 0);
		listener.is_v6 = !addr_is_v4(&listener.endpoint.addr);
		if (match_blocks(&backend, &listener) != rows[i].blocks)
			fail_msg("%s blocked by %s", rows[i].backend, rows[i].bound);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_socket_is_in_the_way),
		cmocka_unit_test(which_socket_serves_which_backend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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
		bool v6only, blocks, dual_stack;
	} rows[] = {
		{"127.0.0.1:8081", "127.0.0.1:8081", false, true, false},
		{"127.0.0.1:8081", "127.0.0.1:8082", false, false, false},
		{"127.0.0.1:8081", "127.0.0.2:8081", false, false, false},
		{"127.0.0.1:8081", "0.0.0.0:8081", false, true, false},
		{"127.0.0.1:8081", "[::]:8081", false, true, false},
		{"127.0.0.1:8081", "[::]:8081", true, false, false},
		{"127.0.0.1:8081", "[::1]:8081", false, false, false},
		{"0.0.0.0:8081", "127.0.0.2:8081", false, true, false},
		{"0.0.0.0:8081", "[::1]:8081", true, false, false},
		{"[::1]:8081", "[::]:8081", true, true, false},
		{"[::1]:8081", "0.0.0.0:8081", false, false, false},
		{"[::]:8081", "127.0.0.1:8081", false, false, false},
		{"[::]:8081", "127.0.0.1:8081", false, true, true},
		{"[::]:8081", "0.0.0.0:8081", false, true, true},
		{"[::]:8081", "0.0.0.0:8082", false, false, true},
		{"127.0.0.1:8081", "[::1]:8081", true, true, true},
		{"127.0.0.1:8081", "[::]:8081", true, true, true},
		{"0.0.0.0:8081", "[::1]:8081", true, true, true},
		{"192.0.2.1:8081", "[::]:8081", true, false, true},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockets_listener listener = {.v6only = rows[i].v6only};
		struct lb_endpoint backend;
		struct error error;

		assert_int_equal(addr_parse_endpoint(rows[i].backend, &backend, &error), 0);
		assert_int_equal(addr_parse_endpoint(rows[i].bound, &listener.endpoint, &error), 0);
		listener.is_v6 = !addr_is_v4(&listener.endpoint.addr);
		if (match_blocks(&backend, rows[i].dual_stack, &listener) != rows[i].blocks)
			fail_msg("%s blocked by %s", rows[i].backend, rows[i].bound);
	}
}

/* Both ways round.  both: what stands for :: takes IPv4, too. */
static void which_addresses_share_a_port(void **unused)
{
	static const struct {
		const char *a, *b;
		bool a_both, b_both, shares;
	} rows[] = {
		{"192.0.2.1:80", "192.0.2.1:80", false, false, true},
		{"192.0.2.1:80", "192.0.2.1:81", false, false, false},
		{"192.0.2.1:80", "192.0.2.2:80", false, false, false},
		{"0.0.0.0:80", "192.0.2.1:80", false, false, true},
		{"0.0.0.0:80", "0.0.0.0:80", false, false, true},
		{"0.0.0.0:80", "0.0.0.0:81", false, false, false},
		{"0.0.0.0:80", "[2001:db8::1]:80", false, false, false},
		{"0.0.0.0:80", "[2001:db8::1]:80", false, true, false},
		{"0.0.0.0:80", "[::]:80", false, false, false},
		{"0.0.0.0:80", "[::]:80", false, true, true},
		{"192.0.2.1:80", "[::]:80", false, false, false},
		{"192.0.2.1:80", "[::]:80", false, true, true},
		{"[::]:80", "[::]:80", false, true, true},
		{"[::]:80", "[2001:db8::1]:80", false, false, true},
		{"[::1]:80", "[2001:db8::1]:80", true, true, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct lb_endpoint a, b;
		struct error error;

		assert_int_equal(addr_parse_endpoint(rows[i].a, &a, &error), 0);
		assert_int_equal(addr_parse_endpoint(rows[i].b, &b, &error), 0);
		if (match_shares((struct match_at){&a, rows[i].a_both},
				 (struct match_at){&b, rows[i].b_both}) != rows[i].shares ||
		    match_shares((struct match_at){&b, rows[i].b_both},
				 (struct match_at){&a, rows[i].a_both}) != rows[i].shares)
			fail_msg("%s and %s", rows[i].a, rows[i].b);
	}
}

/* A socket of IPv6 bound to an IPv4 address, as Java's: it takes IPv4 alone. */
static void what_a_service_hides(void **unused)
{
	static const struct {
		const char *listen, *bound;
		bool is_v6, v6only, hides;
	} rows[] = {
		{"0.0.0.0:80", "192.0.2.1:80", true, false, true},
		{"[::]:80", "192.0.2.1:80", true, false, false},
		{"0.0.0.0:80", "[::]:80", true, false, true},
		{"192.0.2.1:80", "[::]:80", true, true, false},
		{"[::]:80", "[::1]:80", true, true, true},
		{"[::]:80", "0.0.0.0:80", false, false, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct sockets_listener listener = {.is_v6 = rows[i].is_v6,
						    .v6only = rows[i].v6only};
		struct lb_endpoint listen;
		struct error error;

		assert_int_equal(addr_parse_endpoint(rows[i].listen, &listen, &error), 0);
		assert_int_equal(addr_parse_endpoint(rows[i].bound, &listener.endpoint, &error), 0);
		if (match_service_shares(&listen, &listener) != rows[i].hides)
			fail_msg("%s hides %s", rows[i].listen, rows[i].bound);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_addresses_share_a_port),
		cmocka_unit_test(what_a_service_hides),
		cmocka_unit_test(which_socket_is_in_the_way),
		cmocka_unit_test(which_socket_serves_which_backend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

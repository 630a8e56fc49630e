/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/addr.h"

/* Text, and what it formats to; NULL: as written. */
static const struct {
	const char *text, *formatted;
} good_endpoints[] = {
	{"192.0.2.1:80", NULL},
	{"0.0.0.0:1", NULL},
	{"127.0.0.1:65535", NULL},
	{"[::]:80", NULL},
	{"[2001:db8::1]:8081", NULL},
	{"[2001:DB8:0::1]:8081", "[2001:db8::1]:8081"},
	{"[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
	{"[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", NULL},
};

static void endpoints_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good_endpoints) / sizeof(*good_endpoints); i++) {
		struct sockaddr_storage sa;
		struct lb_endpoint endpoint, again;
		char text[ADDR_TEXT_BYTES];
		struct error error;

		assert_int_equal(addr_parse_endpoint(good_endpoints[i].text, &endpoint, &error), 0);
		assert_string_equal(addr_format_endpoint(&endpoint, text),
				    good_endpoints[i].formatted ? good_endpoints[i].formatted
								: good_endpoints[i].text);
		assert_int_equal(endpoint.protocol, IPPROTO_TCP);
		assert_true(addr_to_sockaddr(&endpoint, &sa) > 0);
		assert_int_equal(addr_from_sockaddr(&sa, &again), 0);
		assert_memory_equal(&endpoint, &again, sizeof(again));
	}
}

/* Text, and what the message must hold. */
static const struct {
	const char *text, *message;
} bad_endpoints[] = {
	{"224.0.0.1:80", "no address that a host may have"},
	{"255.255.255.255:80", "no address that a host may have"},
	{"0.0.0.1:80", "no address that a host may have"},
	{"[ff02::1]:80", "no address that a host may have"},
	{"", "no address and port"},
	{":", "no address and port"},
	{":80", "no address and port"},
	{"80", "no address and port"},
	{"192.0.2.1", "no address and port"},
	{"localhost:80", "no address and port"},
	{"*:80", "no address and port"},
	{"[192.0.2.1]:80", "no address and port"},
	{"[::1:80", "no address and port"},
	{"::1]:80", "no address and port"},
	{"[]:80", "no address and port"},
	{"192.0.2.256:80", "no address and port"},
	{"192.0.2.01:80", "no address and port"},
	{" 192.0.2.1:80", "no address and port"},
	{"[fe80::1%eth0]:80", "no address and port"},
	{"1:2:3:4:5:6:7:8:80", "no address and port"},
	{"::ffff:192.0.2.1:80", "no address and port"},
	{"1:::80", "no address and port"},
	{"::1:80", "without brackets"},
	{"2001:db8::1", "without brackets"},
	{"192.0.2.1:", "port \"\"; ports are 1..65535"},
	{"192.0.2.1:0", "port \"0\""},
	{"192.0.2.1:65536", "port \"65536\""},
	{"192.0.2.1:-1", "port \"-1\""},
	{"192.0.2.1:+80", "port \"+80\""},
	{"192.0.2.1:80 ", "port \"80 \""},
	{"192.0.2.1:000080", "port \"000080\""},
	{"[2001:db8::1]:99999999999999999999", "port"},
};

static void bad_endpoints_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_endpoints) / sizeof(*bad_endpoints); i++) {
		struct lb_endpoint endpoint;
		struct error error = {""};

		assert_int_equal(addr_parse_endpoint(bad_endpoints[i].text, &endpoint, &error),
				 -EINVAL);
		if (!strstr(error.text, bad_endpoints[i].message))
			fail_msg("%s: %s", bad_endpoints[i].text, error.text);
	}
}

/* Prefix, its length in the v4-mapped form, or what the message must hold. */
static const struct {
	const char *text;
	unsigned bits;
	const char *message;
} prefixes[] = {
	{"all", 0, NULL},
	{"0.0.0.0/0", 96, NULL},
	{"192.0.2.0/24", 120, NULL},
	{"192.0.2.1", 128, NULL},
	{"192.0.2.1/32", 128, NULL},
	{"::/0", 0, NULL},
	{"2001:db8::/32", 32, NULL},
	{"2001:db8::1", 128, NULL},
	{"[2001:db8::1]", 128, NULL},
	{"128.0.0.0/1", 97, NULL},
	{"192.0.2.2/31", 127, NULL},
	{"192.0.2.1/31", 0, "bits set beyond"},
	{"64.0.0.0/1", 0, "bits set beyond"},
	{"192.0.2.0/33", 0, "length \"33\"; allowed: 0..32"},
	{"2001:db8::/129", 0, "length \"129\"; allowed: 0..128"},
	{"192.0.2.0/", 0, "length \"\""},
	{"192.0.2.0/2x", 0, "length \"2x\""},
	{"192.0.2.1/24", 0, "bits set beyond"},
	{"2001:db8::1/64", 0, "bits set beyond"},
	{"everyone", 0, "no prefix"},
	{"", 0, "no prefix"},
	{"/24", 0, "no prefix"},
};

static void prefixes_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		struct lb_addr addr;
		unsigned bits = 999;
		struct error error = {""};
		int code = addr_parse_prefix(prefixes[i].text, &addr, &bits, &error);

		assert_int_equal(code, prefixes[i].message ? -EINVAL : 0);
		if (!prefixes[i].message)
			assert_int_equal(bits, prefixes[i].bits);
		else if (!strstr(error.text, prefixes[i].message))
			fail_msg("%s: %s", prefixes[i].text, error.text);
	}
}

static const struct {
	const char *text;
	bool v4, any, loopback;
} kinds[] = {
	{"0.0.0.0", true, true, false},      {"::", false, true, false},
	{"127.0.0.1", true, false, true},    {"127.255.0.9", true, false, true},
	{"::1", false, false, true},         {"192.0.2.1", true, false, false},
	{"2001:db8::", false, false, false}, {"::ffff:127.0.0.1", true, false, true},
};

static void kinds_are_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct lb_addr addr;
		struct error error;

		assert_int_equal(addr_parse(kinds[i].text, &addr, &error), 0);
		assert_int_equal(addr_is_v4(&addr), kinds[i].v4);
		assert_int_equal(addr_is_any(&addr), kinds[i].any);
		assert_int_equal(addr_is_loopback(&addr), kinds[i].loopback);
	}
}

static void other_families_are_refused(void **state)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNIX};
	struct lb_endpoint endpoint;

	(void)state;
	assert_int_equal(addr_from_sockaddr(&sa, &endpoint), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_are_read),
		cmocka_unit_test(bad_endpoints_are_refused),
		cmocka_unit_test(prefixes_are_read),
		cmocka_unit_test(kinds_are_known),
		cmocka_unit_test(other_families_are_refused),
	};

	return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The map `locals` against what ip(8) does, in a network namespace of our own. */
#include "datapath/locals.h"
#include "host/process/inspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/addr.h"
#include "unit/own_netns.h"

enum { PATIENCE_US = 60000000 };

static int descriptors; /* before the test */
static sd_event *event;
static struct datapath *dp;
static struct locals *locals;
static struct error error;

static struct lb_local_key key_of(const char *prefix)
{
	struct lb_local_key key = {0};

	assert_int_equal(addr_parse_prefix(prefix, &key.addr, &key.prefix_bits, &error), 0);
	return key;
}

struct search {
	struct lb_local_key key;
	bool found;
	size_t count;
};

static void look(void *arg, const struct lb_local_key *key)
{
	struct search *search = arg;

	search->count++;
	search->found |= !memcmp(key, &search->key, sizeof(*key));
}

static struct search find(const char *prefix)
{
	struct search search = {.key = key_of(prefix)};

	assert_int_equal(datapath_each_local(dp, look, &search), 0);
	return search;
}

static bool holds(const char *prefix)
{
	return find(prefix).found;
}

static bool is_at_hand(const char *address)
{
	struct lb_locals_at_hand at_hand;
	struct lb_local_key key = key_of(address);
	int map = bpf_obj_get("/sys/fs/bpf/lbd/t/maps/locals_at_hand");
	uint32_t zero = 0;
	bool found = false;

	assert_int_equal(bpf_map_lookup_elem(map, &zero, &at_hand), 0);
	close(map);
	for (int i = 0; i < LB_LOCALS_AT_HAND; i++)
		found |= !memcmp(&at_hand.addrs[!addr_is_v4(&key.addr)][i], &key.addr,
				 sizeof(key.addr));
	return found;
}

/* Runs the loop until it is (not) in the map; an event that never comes fails the test. */
static void wait_for(const char *prefix, bool is_there)
{
	while (holds(prefix) != is_there)
		if (sd_event_run(event, PATIENCE_US) <= 0)
			fail_msg("%s is %sthere", prefix, is_there ? "not " : "");
}

static int setup(void **state)
{
	(void)state;
	if (!privileged)
		return 0;
	assert_int_equal(inspect_load(), 0); /* stays for good */
	descriptors = own_descriptors();
	run("ip link add eth0 type veth peer name peer0 && ip link set eth0 up && "
	    "ip link set peer0 up && ip addr add 192.0.2.1/24 dev eth0 && "
	    "ip addr add 2001:db8::1/64 dev eth0 nodad");
	assert_true(sd_event_new(&event) >= 0);
	if (datapath_open("t", &dp, &error) || locals_new(event, dp, &locals, &error))
		fail_msg("%s", error.text);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!privileged)
		return 0;
	locals_free(locals);
	datapath_destroy(dp);
	sd_event_unref(event);
	run("ip link del eth0");
	assert_int_equal(own_descriptors(), descriptors);
	return 0;
}

/* From the start, and nothing that is not the host's: no subnet, no broadcast address. */
static void test_first(void **state)
{
	static const char *const own[] = {"127.0.0.0/8", "192.0.2.1", "::1", "2001:db8::1"};
	static const char *const others[] = {"192.0.2.0/24", "192.0.2.255", "2001:db8::/64"};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (!holds(own[i]))
			fail_msg("%s is not there", own[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (holds(others[i]))
			fail_msg("%s is there", others[i]);
}

static void test_changes(void **state)
{
	static const struct {
		const char *command, *prefix;
		bool is_there;
	} rows[] = {
		{"ip addr add 192.0.2.7/24 dev eth0", "192.0.2.7", true},
		{"ip addr del 192.0.2.7/24 dev eth0", "192.0.2.7", false},
		{"ip addr add 2001:db8::7/64 dev eth0 nodad", "2001:db8::7", true},
		{"ip addr del 2001:db8::7/64 dev eth0", "2001:db8::7", false},
		{"ip route add local 198.18.0.0/15 dev lo", "198.18.0.0/15", true},
		{"ip route del local 198.18.0.0/15 dev lo", "198.18.0.0/15", false},
		{"ip -6 route add local 2001:db8:a::/48 dev lo", "2001:db8:a::/48", true},
		{"ip -6 route del local 2001:db8:a::/48 dev lo", "2001:db8:a::/48", false},
		/* Another interface's frames may still be for it. */
		{"ip link set eth0 down", "192.0.2.1", true},
		{"ip link set eth0 up && ip link add d0 type veth peer name d1 && ip link set d0 "
		 "up && ip link set d1 up && "
		 "ip addr add 192.0.2.9 dev d0 && ip addr add 2001:db8::9 dev d0 nodad",
		 "2001:db8::9", true},
		{"ip link set d0 down", "2001:db8::9", false},
		{"ip link del d0", "192.0.2.9", false},
	};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run(rows[i].command);
		wait_for(rows[i].prefix, rows[i].is_there);
	}
}

/* Whatever an interface has, but not what is no client's destination, or a prefix. */
static void test_at_hand(void **state)
{
	(void)state;
	need_privilege();
	assert_true(is_at_hand("192.0.2.1"));
	assert_true(is_at_hand("2001:db8::1"));
	assert_false(is_at_hand("127.0.0.1"));
	assert_false(is_at_hand("::1"));
	run("ip addr add 192.0.2.6/24 dev eth0 && ip addr del 2001:db8::1/64 dev eth0");
	wait_for("192.0.2.6", true);
	wait_for("2001:db8::1", false);
	assert_true(is_at_hand("192.0.2.6"));
	assert_true(is_at_hand("192.0.2.1"));
	assert_false(is_at_hand("2001:db8::1"));
}

static bool looks_for(const char *command)
{
	size_t before;

	while (sd_event_run(event, 0) > 0)
		;
	before = find("127.0.0.0/8").count;
	run(command);
	return sd_event_run(event, 0) > 0 || find("127.0.0.0/8").count != before;
}

/*
 * Routes elsewhere, of the main table and of others, are not this host, nor even a reason to look.  The kernel tells
 * of a change before ip(8) returns; what it still tells of the new interfaces, in its own time, is not in every try.
 */
static void test_other_routes(void **state)
{
	bool looked = true;

	(void)state;
	need_privilege();
	assert_true(looks_for("ip addr add 192.0.2.6/24 dev eth0"));
	for (int i = 0; i < 50 && looked; i++) {
		looked = looks_for("ip route add 203.0.113.0/24 dev eth0 && "
				   "ip route add local 203.0.113.7 dev lo table 100 && "
				   "ip -6 route add 2001:db8:c::/48 dev eth0");
		run("ip route del 203.0.113.0/24 dev eth0 && ip route flush table 100 && "
		    "ip -6 route del 2001:db8:c::/48 dev eth0");
	}
	assert_false(looked);
}

/* What changed while no lbd was there is made good by the next. */
static void test_adoption(void **state)
{
	(void)state;
	need_privilege();
	locals_free(locals);
	locals = NULL;
	datapath_close(dp);
	run("ip addr add 192.0.2.8/24 dev eth0 && ip addr del 2001:db8::1/64 dev eth0");
	if (datapath_open("t", &dp, &error))
		fail_msg("%s", error.text);
	assert_true(holds("2001:db8::1"));
	if (locals_new(event, dp, &locals, &error))
		fail_msg("%s", error.text);
	assert_true(holds("192.0.2.8"));
	assert_true(holds("192.0.2.1"));
	assert_false(holds("2001:db8::1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_hand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_routes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adoption, setup, teardown),
	};

	own_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* ingress: the access rules and the verdicts on a first segment, with the service's counters. */
#include <linux/bpf.h>
#include <string.h>

#include "tests.h"
#include "world.h"

#define V4(address) .client = (address), .service = "192.0.2.1", .client_port = 40000
#define V4_ON(to)   .client = "198.51.100.7", .service = (to), .client_port = 40000
#define V6_ON(to)   .client = "2001:db8:2::7", .service = (to), .client_port = 40000
#define V6(address) .client = (address), .service = "2001:db8::1", .client_port = 40000

/* Ports of the services, each with its pool; the id is the port's. */
enum {
	PLAIN = 80,
	DENY_SOME = 82,
	ALLOW_SOME = 83,
	NO_LISTENER = 84,
	FULL = 85,
	DISABLED = 86,
	V4_ONLY = 87,
	EMPTY = 88,
	FULL_AND_FREE = 89,
	FULL_AND_GONE = 90,
	NO_RULES = 91, /* asked for, but there are none */
	NO_POOL = 92,
	COMING = 97,
	COMING_AND_FULL = 98,
	COMING_AND_FREE = 99,
	RESTARTED = 100,
	RESTARTED_V6 = 101,
	/* On any address. */
	ANY_PLAIN = 93,
	ANY_DENY = 94,
	ANY_FULL = 95,
	ELSEWHERE_DENY = 96, /* on an address that is another host's */
};

struct row {
	const char *name;
	struct frame frame;
	int verdict, reason;
	struct lb_service_count counted;
};

/* Once there are sinks. */
static const struct row later_rows[] = {
	{"one to be restarted",
	 {V4("198.51.100.7"), .service_port = RESTARTED, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DEFERRED,
	 {.deferred = 1}},
	{"v6 one to be restarted",
	 {V6("2001:db8:2::7"), .service_port = RESTARTED, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DEFERRED,
	 {.deferred = 1}},
	{"one to be restarted, which has not listened there",
	 {V4("198.51.100.7"), .service_port = RESTARTED_V6, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
};

static const struct row rows[] = {
	{"allowed",
	 {V4("198.51.100.7"), .service_port = PLAIN, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"v6 allowed",
	 {V6("2001:db8:2::7"), .service_port = PLAIN, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"denied by prefix",
	 {V4("198.51.100.7"), .service_port = DENY_SOME, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"more specific allows",
	 {V4("198.51.100.9"), .service_port = DENY_SOME, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"no rule, default allow",
	 {V4("203.0.113.1"), .service_port = DENY_SOME, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"v6 denied by prefix",
	 {V6("2001:db8:2::7"), .service_port = DENY_SOME, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"established is not asked",
	 {V4("198.51.100.7"), .service_port = DENY_SOME, .flags = ACK},
	 XDP_PASS,
	 LB_INGRESS_ESTABLISHED,
	 {0}},
	{"allowed by prefix",
	 {V4("203.0.113.1"), .service_port = ALLOW_SOME, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"no rule, default deny",
	 {V4("198.51.100.7"), .service_port = ALLOW_SOME, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"v6 no rule, default deny",
	 {V6("2001:db8:2::7"), .service_port = ALLOW_SOME, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"another service's rules",
	 {V4("198.51.100.7"), .service_port = NO_RULES, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"no listener",
	 {V4("198.51.100.7"), .service_port = NO_LISTENER, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"full",
	 {V4("198.51.100.7"), .service_port = FULL, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_MAX_CONNECTIONS,
	 {.dropped = 1}},
	{"full, established",
	 {V4("198.51.100.7"), .service_port = FULL, .flags = ACK},
	 XDP_PASS,
	 LB_INGRESS_ESTABLISHED,
	 {0}},
	{"disabled",
	 {V4("198.51.100.7"), .service_port = DISABLED, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"v6 to an IPv4 listener",
	 {V6("2001:db8:2::7"), .service_port = V4_ONLY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"v4 to an IPv4 listener",
	 {V4("198.51.100.7"), .service_port = V4_ONLY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"empty pool",
	 {V4("198.51.100.7"), .service_port = EMPTY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"one full, one free",
	 {V4("198.51.100.7"), .service_port = FULL_AND_FREE, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"one full, one gone",
	 {V4("198.51.100.7"), .service_port = FULL_AND_GONE, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_MAX_CONNECTIONS,
	 {.dropped = 1}},
	{"pool out of range",
	 {V4("198.51.100.7"), .service_port = NO_POOL, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"one on its way",
	 {V4("198.51.100.7"), .service_port = COMING, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DEFERRED,
	 {.deferred = 1}},
	{"v6 one on its way",
	 {V6("2001:db8:2::7"), .service_port = COMING, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DEFERRED,
	 {.deferred = 1}},
	{"one on its way, established",
	 {V4("198.51.100.7"), .service_port = COMING, .flags = ACK},
	 XDP_PASS,
	 LB_INGRESS_ESTABLISHED,
	 {0}},
	{"one on its way, one full",
	 {V4("198.51.100.7"), .service_port = COMING_AND_FULL, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_MAX_CONNECTIONS,
	 {.dropped = 1}},
	{"one on its way, one free",
	 {V4("198.51.100.7"), .service_port = COMING_AND_FREE, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"one to be restarted, no sink",
	 {V4("198.51.100.7"), .service_port = RESTARTED, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NO_BACKEND,
	 {0}},
	{"any address",
	 {V4_ON("192.0.2.1"), .service_port = ANY_PLAIN, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_CHOSEN,
	 {0}},
	{"any address, denied",
	 {V4_ON("192.0.2.1"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"any address, in a prefix of the host's own",
	 {V4_ON("198.18.5.6"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"v6 any address, in a prefix of the host's own",
	 {V6_ON("2001:db8:a::6"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"any address, one that is at hand",
	 {V4_ON("203.0.113.8"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"v6 any address, one that is at hand",
	 {V6_ON("2001:db8:c::8"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_DROP,
	 LB_INGRESS_DENIED,
	 {.denied = 1}},
	{"to another host",
	 {V4_ON("192.0.3.1"), .service_port = ANY_PLAIN, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
	{"to another host, denied here",
	 {V4_ON("192.0.3.1"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
	{"to another host, full here",
	 {V4_ON("192.0.3.1"), .service_port = ANY_FULL, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
	{"v6 to another host",
	 {V6_ON("2001:db8:b::1"), .service_port = ANY_PLAIN, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
	{"v6 to another host, denied here",
	 {V6_ON("2001:db8:b::1"), .service_port = ANY_DENY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
	{"to another host, established",
	 {V4_ON("192.0.3.1"), .service_port = ANY_PLAIN, .flags = ACK},
	 XDP_PASS,
	 LB_INGRESS_ESTABLISHED,
	 {0}},
	{"to another host, whose address a service has",
	 {V4_ON("192.0.3.1"), .service_port = ELSEWHERE_DENY, .flags = SYN},
	 XDP_PASS,
	 LB_INGRESS_NOT_LOCAL,
	 {0}},
};

static void add_service(uint16_t port, uint16_t pool, uint32_t flags)
{
	world_add_service("192.0.2.1", port, port, pool, flags);
	world_add_service("2001:db8::1", port, port, pool, flags);
}

static void add_pool(uint16_t port, uint32_t count, uint16_t first, uint16_t second)
{
	world_set_pool(port, LB_LEAST_LOAD, count, (uint16_t[]){first, second}, 0);
	add_service(port, port, 0);
}

static void add_rules(void)
{
	add_service(DENY_SOME, PLAIN, LB_SERVICE_ACL);
	world_add_acl(DENY_SOME, "198.51.100.0", 96 + 24, LB_ACL_DENY);
	world_add_acl(DENY_SOME, "198.51.100.9", 96 + 32, LB_ACL_ALLOW);
	world_add_acl(DENY_SOME, "2001:db8:2::", 48, LB_ACL_DENY);
	add_service(ALLOW_SOME, PLAIN, LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY);
	world_add_acl(ALLOW_SOME, "203.0.113.0", 96 + 24, LB_ACL_ALLOW);
	add_service(NO_RULES, PLAIN, LB_SERVICE_ACL);
}

static void add_any(uint16_t port, uint16_t pool, uint32_t flags)
{
	world_add_service("0.0.0.0", port, port, pool, flags);
	world_add_service("::", port, port, pool, flags);
}

static void add_anys(void)
{
	const uint32_t deny = LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY;

	world_add_own("198.18.0.0", 96 + 15); /* as `ip route add local` makes them */
	world_add_own("2001:db8:a::", 48);
	world_set_at_hand("203.0.113.8", "2001:db8:c::8");
	add_any(ANY_PLAIN, PLAIN, 0);
	add_any(ANY_DENY, PLAIN, deny);
	add_any(ANY_FULL, FULL, 0);
	world_add_service("192.0.3.1", ELSEWHERE_DENY, ELSEWHERE_DENY, PLAIN, deny);
}

static int open_rows(void **state)
{
	enum { FREE = 1, GONE, BUSY, DRAINED, ONE_FAMILY };

	if (world_open(state))
		return -1;
	world_add_local(FREE, "127.0.0.1");
	world_add_local(FREE, "::1");
	world_set_backend(GONE, 1, LB_BACKEND_ENABLED, 0);
	world_add_local(BUSY, "127.0.0.1");
	world_set_backend(BUSY, 1, LB_BACKEND_ENABLED, 2);
	world_set_active(BUSY, 2);
	world_add_local(DRAINED, "127.0.0.1");
	world_set_backend(DRAINED, 1, 0, 0);
	world_add_local(ONE_FAMILY, "127.0.0.1");
	add_pool(PLAIN, 1, FREE, 0);
	add_rules();
	add_pool(NO_LISTENER, 1, GONE, 0);
	add_pool(FULL, 1, BUSY, 0);
	add_pool(DISABLED, 1, DRAINED, 0);
	add_pool(V4_ONLY, 1, ONE_FAMILY, 0);
	add_pool(EMPTY, 0, 0, 0);
	add_pool(FULL_AND_FREE, 2, BUSY, FREE);
	add_pool(FULL_AND_GONE, 2, GONE, BUSY);
	add_pool(COMING, 1, GONE, 0);
	add_pool(COMING_AND_FULL, 2, GONE, BUSY);
	add_pool(COMING_AND_FREE, 2, GONE, FREE);
	for (uint16_t pool = COMING; pool <= COMING_AND_FREE; pool++)
		world_set_pool_flags(pool, LB_POOL_DEFER);
	add_pool(RESTARTED, 1, GONE, 0);
	world_set_pool_flags(RESTARTED, LB_POOL_RESTARTED_V4 | LB_POOL_RESTARTED_V6);
	add_pool(RESTARTED_V6, 1, GONE, 0);
	world_set_pool_flags(RESTARTED_V6, LB_POOL_RESTARTED_V6);
	add_service(NO_POOL, LB_MAX_SERVICES, 0);
	add_anys();
	return 0;
}

static void add_counts(struct lb_service_count *sum, const struct lb_service_count *count)
{
	sum->connections += count->connections;
	sum->refused += count->refused;
	sum->dropped += count->dropped;
	sum->deferred += count->deferred;
	sum->denied += count->denied;
}

static void run_row(const struct row *row)
{
	struct lb_service_count expected = world_service_count(row->frame.service_port), now;
	uint64_t before[LB_REASON_COUNT];

	print_message("           %s\n", row->name);
	add_counts(&expected, &row->counted);
	world_read_reasons(before);
	assert_int_equal(world_run(&row->frame, 0), row->verdict);
	world_expect_reason(before, row->reason);
	now = world_service_count(row->frame.service_port);
	assert_memory_equal(&now, &expected, sizeof(now));
}

static void run_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

static void run_later_rows(void **state)
{
	(void)state;
	world_add_sinks();
	for (size_t i = 0; i < sizeof(later_rows) / sizeof(later_rows[0]); i++)
		run_row(&later_rows[i]);
}

static void hand_over(void **state)
{
	const struct frame frame = {V4("198.51.100.77"), .service_port = PLAIN, .flags = SYN};
	uint64_t hash = world_hash(frame.client, frame.client_port, frame.service, PLAIN);

	(void)state;
	assert_int_equal(world_run(&frame, 0), XDP_PASS);
	assert_int_equal(world_handover(hash).backend_plus_1, 1 + 1);
}

int test_admit(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_rows),
		cmocka_unit_test(hand_over),
		cmocka_unit_test(run_later_rows),
	};

	return cmocka_run_group_tests_name("admit", tests, open_rows, world_close);
}

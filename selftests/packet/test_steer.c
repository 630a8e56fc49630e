/* SPDX-License-Identifier: Apache-2.0 */
/* steer: real connections over loopback, which no ingress sees. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests.h"
#include "world.h"

enum {
	PORT = 80,
	DIRECT = 8081, /* no service: a listener of the stack's own */
	POOL = 2,
	SERVICE = 5,
	CLIENT_PORT = 20000,
	WAIT_S = 3,
	IN_TIME_US = 50000, /* STEER_HANDOVERS_PER_SECOND allows that for any HZ */
	TRIES = 500,
};

static int listeners[3]; /* of backends 1 and 2, IPv4 */

static int open_service(void **state)
{
	static const uint16_t members[] = {1, 2};

	if (world_open(state))
		return -1;
	listeners[1] = world_add_local(1, "127.0.0.1");
	listeners[2] = world_add_local(2, "127.0.0.1");
	world_set_pool(POOL, LB_LEAST_LOAD, 2, members, 0);
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, 0);
	world_add_service("::", PORT, SERVICE, POOL, 0);
	world_attach_steer();
	return 0;
}

static void both(uint16_t flags, uint32_t max_connections, uint32_t active)
{
	for (uint16_t id = 1; id <= 2; id++) {
		world_set_backend(id, 1, flags, max_connections);
		world_set_active(id, active);
	}
}

static void as_it_is(void)
{
}

static void add_v6_listener(void)
{
	world_add_local(2, "::1");
}

/* Backend 1 alone, and its slot of IPv4 holds a listener that takes IPv6 only. */
static void add_wrong_listener(void)
{
	world_set_backend(2, 1, 0, 0);
	world_set_slot(LB_LISTENER(1, false), world_listen("::1", 0, WORLD_V6ONLY));
}

static void put_dual_listener(void)
{
	int fd = world_listen("::", 0, 0);

	for (uint16_t id = 1; id <= 2; id++)
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			world_set_slot(LB_LISTENER(id, is_v6), fd);
}

static void listen_directly(void)
{
	world_listen("0.0.0.0", DIRECT, 0);
}

static void deny(void)
{
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, LB_SERVICE_ACL);
	world_add_acl(SERVICE, "127.0.0.0", 96 + 8, LB_ACL_DENY);
}

/* By other rules, for both families. */
static void deny_all(void)
{
	const uint32_t flags = LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY;

	world_add_service("0.0.0.0", PORT, SERVICE, POOL, flags);
	world_add_service("::", PORT, SERVICE, POOL, flags);
}

static void allow_all(void)
{
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, 0);
	world_add_service("::", PORT, SERVICE, POOL, 0);
}

static void deny_others(void)
{
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY);
	world_add_acl(SERVICE, "127.0.0.1", 96 + 32, LB_ACL_ALLOW);
}

static void close_listeners(void)
{
	world_close_socket(listeners[1]);
	world_close_socket(listeners[2]);
}

static void shut_down_listeners(void)
{
	assert_int_equal(shutdown(listeners[1], SHUT_RDWR), 0);
	assert_int_equal(shutdown(listeners[2], SHUT_RDWR), 0);
}

static void disable(void)
{
	both(0, 0, 0);
}

static void fill(void)
{
	both(LB_BACKEND_ENABLED, 3, 3);
}

static void defer(void)
{
	disable();
	world_set_pool_flags(POOL, LB_POOL_DEFER);
}

/* Whoever has been there is started again, as long as there is somebody to do it. */
static void restart(void)
{
	disable();
	world_set_pool_flags(POOL, LB_POOL_RESTARTED_V4 | LB_POOL_RESTARTED_V6);
}

static void restart_v6(void)
{
	disable();
	world_set_pool_flags(POOL, LB_POOL_RESTARTED_V6);
	world_add_sinks();
}

/* It says what to do where there is nobody, and no more. */
static void defer_with_one(void)
{
	world_set_backend(2, 1, 0, 0);
	world_set_pool_flags(POOL, LB_POOL_DEFER);
}

static void defer_when_full(void)
{
	fill();
	world_set_pool_flags(POOL, LB_POOL_DEFER);
}

/* The address that has a service of its own is not the any address's. */
static void empty_exact(void)
{
	world_add_service("127.0.0.2", PORT, SERVICE, POOL + 1, 0);
}

struct row {
	const char *name;
	void (*prepare)(void);
	const char *address;
	uint16_t port;
	int error, reason;
	struct lb_service_count counted;
};

static const struct row rows[] = {
	{"chosen", as_it_is, "127.0.0.1", PORT, 0, LB_STEER_CHOSEN, {.connections = 1}},
	{"another local address",
	 as_it_is,
	 "127.9.9.9",
	 PORT,
	 0,
	 LB_STEER_CHOSEN,
	 {.connections = 1}},
	{"v6", add_v6_listener, "::1", PORT, 0, LB_STEER_CHOSEN, {.connections = 1}},
	{"v6, listeners of IPv4 only",
	 as_it_is,
	 "::1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"dual-stack listener",
	 put_dual_listener,
	 "127.0.0.1",
	 PORT,
	 0,
	 LB_STEER_CHOSEN,
	 {.connections = 1}},
	{"dual-stack listener, v6",
	 put_dual_listener,
	 "::1",
	 PORT,
	 0,
	 LB_STEER_CHOSEN,
	 {.connections = 1}},
	{"the stack's own", listen_directly, "127.0.0.1", DIRECT, 0, LB_STEER_NO_SERVICE, {0}},
	{"nobody's", as_it_is, "127.0.0.1", DIRECT, ECONNREFUSED, LB_STEER_NO_SERVICE, {0}},
	{"nobody's, v6", as_it_is, "::1", DIRECT, ECONNREFUSED, LB_STEER_NO_SERVICE, {0}},
	{"exact address first",
	 empty_exact,
	 "127.0.0.2",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"denied, no sink", deny, "127.0.0.1", PORT, ECONNREFUSED, LB_STEER_DENIED, {.denied = 1}},
	{"allowed", deny_others, "127.0.0.1", PORT, 0, LB_STEER_CHOSEN, {.connections = 1}},
	{"no listener",
	 close_listeners,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"listeners shut down",
	 shut_down_listeners,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"disabled", disable, "127.0.0.1", PORT, ECONNREFUSED, LB_STEER_NO_BACKEND, {.refused = 1}},
	{"full, no sink",
	 fill,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_MAX_CONNECTIONS,
	 {.dropped = 1}},
	{"one on its way, no sink",
	 defer,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_DEFERRED,
	 {.deferred = 1}},
	{"one to be restarted, no sink",
	 restart,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"one to be restarted, which has not listened there",
	 restart_v6,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_NO_BACKEND,
	 {.refused = 1}},
	{"one on its way, another up",
	 defer_with_one,
	 "127.0.0.1",
	 PORT,
	 0,
	 LB_STEER_CHOSEN,
	 {.connections = 1}},
	{"one on its way, others full",
	 defer_when_full,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_MAX_CONNECTIONS,
	 {.dropped = 1}},
	{"listener of the wrong family",
	 add_wrong_listener,
	 "127.0.0.1",
	 PORT,
	 ECONNREFUSED,
	 LB_STEER_LISTENER_GONE,
	 {.refused = 1}},
};

static void run_row(const struct row *row)
{
	const char *client = strchr(row->address, ':') ? "::1" : "127.0.0.1";
	uint64_t before[LB_REASON_COUNT];
	struct lb_service_count now;
	void *state = NULL;

	print_message("           %s\n", row->name);
	assert_int_equal(open_service(&state), 0);
	row->prepare();
	world_read_reasons(before);
	assert_int_equal(world_finish_connect(world_client(client, 0, row->address, row->port)),
			 row->error);
	world_expect_reason(before, row->reason);
	now = world_service_count(SERVICE);
	assert_memory_equal(&now, &row->counted, sizeof(now));
	world_close(&state);
}

static void run_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		run_row(&rows[i]);
}

/* Both ends keep the addresses that the client sees: nothing was translated. */
static void addresses_are_kept(void **state)
{
	struct sockaddr_in sa;
	socklen_t length = sizeof(sa);
	int fd;

	(void)state;
	world_set_backend(2, 1, 0, 0);
	world_client("127.0.0.5", CLIENT_PORT, "127.0.0.6", PORT);
	fd = world_accept(listeners[1]);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
	assert_int_equal(sa.sin_addr.s_addr, inet_addr("127.0.0.6"));
	assert_int_equal(ntohs(sa.sin_port), PORT);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&sa, &length), 0);
	assert_int_equal(sa.sin_addr.s_addr, inet_addr("127.0.0.5"));
	assert_int_equal(ntohs(sa.sin_port), CLIENT_PORT);
}

static void tamper(uint16_t client_port, uint32_t signature, uint16_t time)
{
	uint64_t hash = world_hash("127.0.0.1", client_port, "127.0.0.1", PORT);
	struct lb_handover entry = world_handover(hash);

	entry.signature += signature;
	entry.time += time;
	world_set_handover(hash, entry);
}

static void none(uint16_t client_port)
{
	(void)client_port;
}

static void write_anothers(uint16_t client_port)
{
	tamper(client_port, 1, 0);
}

static void age(uint16_t client_port)
{
	tamper(client_port, 0, -1000);
}

static void age_and_deny(uint16_t client_port)
{
	age(client_port);
	deny_all();
}

static void deny_meanwhile(uint16_t client_port)
{
	(void)client_port;
	deny_all();
}

static void give_to_another_pool(uint16_t client_port)
{
	(void)client_port;
	world_set_pool_of(2, POOL + 1);
}

static void disable_meanwhile(uint16_t client_port)
{
	(void)client_port;
	world_set_backend(2, 1, 0, 0);
}

static void fill_meanwhile(uint16_t client_port)
{
	(void)client_port;
	world_set_backend(2, 1, LB_BACKEND_ENABLED, 3);
	world_set_active(2, 3);
}

static void fill_all_meanwhile(uint16_t client_port)
{
	(void)client_port;
	fill();
}

static void close_meanwhile(uint16_t client_port)
{
	(void)client_port;
	world_close_socket(listeners[2]);
	listeners[2] = -1;
}

struct handover_row {
	const char *name;
	void (*meanwhile)(uint16_t client_port);
	int reason;
	uint16_t backend; /* who gets it; 0: nobody */
};

/* Backend 2 is what ingress chooses, 1 what steer would. */
static const struct handover_row handover_rows[] = {
	{"followed", none, LB_STEER_HANDED_OVER, 2},
	{"another flow's", write_anothers, LB_STEER_CHOSEN, 1},
	{"of a second ago", age, LB_STEER_CHOSEN, 1},
	{"of a second ago, denied since", age_and_deny, LB_STEER_DENIED, 0},
	{"denied in that moment", deny_meanwhile, LB_STEER_HANDED_OVER, 2},
	{"another pool's by now", give_to_another_pool, LB_STEER_CHOSEN, 1},
	{"disabled since", disable_meanwhile, LB_STEER_CHOSEN, 1},
	{"full by now", fill_meanwhile, LB_STEER_CHOSEN, 1},
	{"all full by now", fill_all_meanwhile, LB_STEER_MAX_CONNECTIONS, 0},
	{"listener closed since", close_meanwhile, LB_STEER_CHOSEN, 1},
};

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void run_ingress(uint16_t client_port)
{
	const struct frame frame = {.client = "127.0.0.1",
				    .client_port = client_port,
				    .service = "127.0.0.1",
				    .service_port = PORT,
				    .flags = SYN};

	world_run(&frame, 0);
}

/* From a SYN that ingress sees as a frame to its delivery; how long that took. */
static int64_t hand_over(const struct handover_row *row, uint16_t client_port, int *client)
{
	int64_t begun;

	world_set_active(1, 100);
	world_set_active(2, 0);
	begun = now_us();
	run_ingress(client_port);
	world_set_active(1, 0);
	world_set_active(2, 100);
	row->meanwhile(client_port);
	*client = world_client("127.0.0.1", client_port, "127.0.0.1", PORT);
	return now_us() - begun;
}

/* False: the machine was busy, and what is handed over is not kept for so long. */
static bool run_handover_row(const struct handover_row *row, uint16_t client_port)
{
	uint64_t hash = world_hash("127.0.0.1", client_port, "127.0.0.1", PORT);
	uint64_t before[LB_REASON_COUNT];
	void *state = NULL;
	bool in_time;
	int client;

	assert_int_equal(open_service(&state), 0);
	world_read_reasons(before);
	in_time = hand_over(row, client_port, &client) < IN_TIME_US;
	if (in_time) {
		assert_int_equal(world_finish_connect(client), row->backend ? 0 : ECONNREFUSED);
		world_expect_reasons(before,
				     (int[]){LB_INGRESS_CHOSEN, row->reason, LB_REASON_COUNT});
		assert_true(!row->backend || world_accept(listeners[row->backend]) >= 0);
	}
	if (in_time && row->reason == LB_STEER_HANDED_OVER)
		assert_int_equal(world_handover(hash).backend_plus_1, 0); /* is used up */
	world_close(&state);
	return in_time;
}

static void handed_over(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(handover_rows) / sizeof(handover_rows[0]); i++) {
		uint16_t client_port = CLIENT_PORT;

		print_message("           %s\n", handover_rows[i].name);
		while (!run_handover_row(&handover_rows[i], client_port))
			assert_true(++client_port < CLIENT_PORT + TRIES);
	}
}

/* Ingress sees all SYNs of a batch before the stack sees the first. */
static void batch_keeps_the_limit(void **state)
{
	enum { BATCH = 30, LIMIT = 5 };
	uint64_t before[LB_REASON_COUNT], now[LB_REASON_COUNT];

	(void)state;
	world_add_sinks();
	both(LB_BACKEND_ENABLED, LIMIT, 0);
	world_read_reasons(before);
	for (uint16_t i = 0; i < BATCH; i++)
		run_ingress(CLIENT_PORT + i);
	for (uint16_t i = 0; i < BATCH; i++)
		world_deaf_client("127.0.0.1", CLIENT_PORT + i, "127.0.0.1", PORT);
	world_read_reasons(now);
	assert_int_equal(now[LB_INGRESS_CHOSEN] - before[LB_INGRESS_CHOSEN], BATCH);
	assert_int_equal(now[LB_STEER_HANDED_OVER] - before[LB_STEER_HANDED_OVER] +
				 now[LB_STEER_CHOSEN] - before[LB_STEER_CHOSEN],
			 2 * LIMIT);
}

static void wait_for_count(const uint64_t before[LB_REASON_COUNT])
{
	uint64_t now[LB_REASON_COUNT];
	time_t deadline = time(NULL) + WAIT_S;

	do
		world_read_reasons(now);
	while (!memcmp(now, before, sizeof(now)) && time(NULL) <= deadline);
}

static void make_room(void)
{
	world_set_active(1, 2);
}

static void get_up(void)
{
	world_set_backend(1, 1, LB_BACKEND_ENABLED, 0);
}

static void drop_then_admit(const char *address, void (*prepare)(void), int reason,
			    void (*admit)(void))
{
	uint64_t before[LB_REASON_COUNT];
	int client;

	prepare();
	world_read_reasons(before);
	client = world_client(address, 0, address, PORT);
	wait_for_count(before);
	world_expect_reason(before, reason);
	assert_true(world_is_connecting(client));
	admit();
	assert_int_equal(world_finish_connect(client), 0);
}

/* By IPv4 and by IPv6. */
static void drop_then_admit_both(void (*prepare)(void), int reason, void (*admit)(void))
{
	world_add_sinks();
	world_add_local(1, "::1");
	drop_then_admit("127.0.0.1", prepare, reason, admit);
	drop_then_admit("::1", prepare, reason, admit);
}

/* The SYN is dropped in silence, and when the client tries again there is room. */
static void full_then_room(void **state)
{
	(void)state;
	drop_then_admit_both(fill, LB_STEER_MAX_CONNECTIONS, make_room);
	assert_int_equal(world_service_count(SERVICE).dropped, 2);
	assert_int_equal(world_service_count(SERVICE).connections, 2);
}

/* The same where nobody is up yet. */
static void deferred_then_up(void **state)
{
	(void)state;
	drop_then_admit_both(defer, LB_STEER_DEFERRED, get_up);
	assert_int_equal(world_service_count(SERVICE).deferred, 2);
	assert_int_equal(world_service_count(SERVICE).refused, 0);
	assert_int_equal(world_service_count(SERVICE).connections, 2);
}

/* The same where nobody is up any more. */
static void ended_then_up(void **state)
{
	(void)state;
	drop_then_admit_both(restart, LB_STEER_DEFERRED, get_up);
	assert_int_equal(world_service_count(SERVICE).deferred, 2);
	assert_int_equal(world_service_count(SERVICE).refused, 0);
	assert_int_equal(world_service_count(SERVICE).connections, 2);
}

/* The same where the rules change. */
static void denied_then_allowed(void **state)
{
	(void)state;
	drop_then_admit_both(deny_all, LB_STEER_DENIED, allow_all);
	assert_int_equal(world_service_count(SERVICE).denied, 2);
	assert_int_equal(world_service_count(SERVICE).connections, 2);
}

/* Handshakes count before they are connections: a burst does not land on one. */
static void burst(void **state)
{
	enum { BURST = 60 };
	unsigned accepted[3] = {0};

	(void)state;
	for (int i = 0; i < BURST; i++)
		world_client("127.0.0.1", 0, "127.0.0.1", PORT);
	for (int id = 1; id <= 2; id++)
		while (world_has_connection(listeners[id])) {
			assert_true(world_accept(listeners[id]) >= 0);
			accepted[id]++;
		}
	assert_int_equal(accepted[1], BURST / 2);
	assert_int_equal(accepted[2], BURST / 2);
}

/* Others listen on the chosen one's address as well: nothing that was chosen for it goes to them. */
static void reuseport_group(const char *address, bool is_v6)
{
	enum { CONNECTIONS = 30, OTHERS = 3 };
	int chosen = world_listen(address, 0, WORLD_REUSEPORT);
	int others[OTHERS];

	for (int i = 0; i < OTHERS; i++)
		others[i] = world_listen(address, world_local_port(chosen), WORLD_REUSEPORT);
	world_set_backend(2, 1, 0, 0);
	world_adopt(chosen, 1, 0, is_v6);
	for (int i = 0; i < CONNECTIONS; i++) {
		world_client(address, 0, address, PORT);
		assert_true(world_accept(chosen) >= 0);
	}
	for (int i = 0; i < OTHERS; i++)
		assert_false(world_has_connection(others[i]));
}

static void reuseport(void **state)
{
	(void)state;
	reuseport_group("127.0.0.1", false);
	reuseport_group("::1", true);
}

static void udp_is_not_ours(void **state)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	uint64_t before[LB_REASON_COUNT];
	struct pollfd ready = {.events = POLLIN};
	int sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ready.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(ready.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	world_read_reasons(before);
	assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)), 1);
	assert_int_equal(poll(&ready, 1, 1000), 1);
	world_expect_reasons(before, (int[]){LB_REASON_COUNT});
	shutdown(sender, SHUT_RDWR);
}

int test_steer(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_rows),
		cmocka_unit_test_setup_teardown(addresses_are_kept, open_service, world_close),
		cmocka_unit_test(handed_over),
		cmocka_unit_test_setup_teardown(batch_keeps_the_limit, open_service, world_close),
		cmocka_unit_test_setup_teardown(full_then_room, open_service, world_close),
		cmocka_unit_test_setup_teardown(deferred_then_up, open_service, world_close),
		cmocka_unit_test_setup_teardown(ended_then_up, open_service, world_close),
		cmocka_unit_test_setup_teardown(denied_then_allowed, open_service, world_close),
		cmocka_unit_test_setup_teardown(reuseport, open_service, world_close),
		cmocka_unit_test_setup_teardown(burst, open_service, world_close),
		cmocka_unit_test_setup_teardown(udp_is_not_ours, open_service, world_close),
	};

	return cmocka_run_group_tests_name("steer", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steer: the ACK of a SYN cookie has to reach the listener that sent the cookie, for another refuses it.
 * net.ipv4.tcp_syncookies = 2 makes the kernel send one to each SYN.
 */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "tests.h"
#include "world.h"

enum { PORT = 80, POOL = 2, SERVICE = 5, CLIENT_PORT = 21000, CONNECTIONS = 20 };

static int listeners[3];

static void set_cookies(char mode)
{
	int fd = open("/proc/sys/net/ipv4/tcp_syncookies", O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, &mode, 1), 1);
	close(fd);
}

static void add_listeners(const char *address, int flags)
{
	for (uint16_t id = 1; id <= 2; id++) {
		listeners[id] = world_listen(address, 0, flags);
		world_adopt(listeners[id], id, 0, address[0] == ':');
		world_set_backend(id, 1, LB_BACKEND_ENABLED, 0);
	}
}

/* Turn by turn: who chooses again for the ACK takes the other one. */
static int open_service(void **state)
{
	static const uint16_t members[] = {1, 2}, ring[] = {1, 2};

	if (world_open(state))
		return -1;
	world_set_ring(POOL, ring, 2);
	world_set_pool(POOL, LB_ROUND_ROBIN, 2, members, 2);
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, 0);
	world_add_service("::", PORT, SERVICE, POOL, 0);
	world_attach_steer();
	set_cookies('2');
	return 0;
}

static int close_service(void **state)
{
	set_cookies('1');
	return world_close(state);
}

static void expect_all_established(const char *address)
{
	uint64_t before[LB_REASON_COUNT], after[LB_REASON_COUNT];

	world_read_reasons(before);
	for (int i = 0; i < CONNECTIONS; i++) {
		world_client(address, 0, address, PORT);
		assert_true(world_accept(listeners[1 + i % 2]) >= 0);
	}
	world_read_reasons(after);
	assert_int_equal(after[LB_STEER_CHOSEN] - before[LB_STEER_CHOSEN], CONNECTIONS);
	assert_int_equal(after[LB_STEER_COOKIE] - before[LB_STEER_COOKIE], CONNECTIONS);
	assert_int_equal(world_service_count(SERVICE).connections, CONNECTIONS);
}

struct row {
	const char *name, *address;
	int flags;
};

static const struct row rows[] = {
	{"v4", "127.0.0.1", 0},
	{"v6", "::1", 0},
	{"v4, SO_REUSEPORT", "127.0.0.1", WORLD_REUSEPORT},
	{"v6, SO_REUSEPORT", "::1", WORLD_REUSEPORT},
};

static void run_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("           %s\n", rows[i].name);
		assert_int_equal(open_service(state), 0);
		add_listeners(rows[i].address, rows[i].flags);
		expect_all_established(rows[i].address);
		close_service(state);
	}
}

static void give_to_another_pool(void)
{
	world_set_pool_of(1, POOL + 1);
}

static void disable(void)
{
	world_set_backend(1, 1, 0, 0);
}

static void deny(void)
{
	world_add_service("0.0.0.0", PORT, SERVICE, POOL, LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY);
}

static void fill(void)
{
	world_set_backend(1, 1, LB_BACKEND_ENABLED, 3);
	world_set_active(1, 3);
}

static void make_room(void)
{
	world_set_active(1, 2);
}

/* Longer ago than the kernel takes a cookie. */
static void age(void)
{
	uint64_t hash = world_hash("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT);
	struct lb_handover entry = world_cookie(hash);

	entry.time -= 150;
	world_set_cookie(hash, entry);
}

static void none(void)
{
}

struct follow_row {
	const char *name;
	void (*meanwhile)(void);
	int reason;         /* of the next segment */
	uint16_t backend;   /* who gets it; 0: nobody */
	void (*then)(void); /* the client sends again, and is taken by backend 1 */
};

/* Backend 1 has sent the cookie, 2 is what a choice comes to. */
static const struct follow_row follow_rows[] = {
	{"followed", none, LB_STEER_COOKIE, 1, NULL},
	{"another pool's by now", give_to_another_pool, LB_STEER_CHOSEN, 2, NULL},
	{"disabled since", disable, LB_STEER_CHOSEN, 2, NULL},
	{"too old", age, LB_STEER_CHOSEN, 2, NULL},
	{"denied since", deny, LB_STEER_DENIED, 0, NULL},
	{"full by now", fill, LB_STEER_MAX_CONNECTIONS, 0, make_room},
};

static void wait_for(int reason, uint64_t than)
{
	uint64_t now[LB_REASON_COUNT];
	time_t deadline = time(NULL) + 3;

	do
		world_read_reasons(now);
	while (now[reason] == than && time(NULL) <= deadline);
	assert_int_not_equal(now[reason], than);
}

/*
 * A client hears nothing of the cookie, and another has its port: steer cannot tell the first segment of that
 * one from the ACK.
 */
static void run_follow_row(const struct follow_row *row)
{
	uint64_t before[LB_REASON_COUNT];
	int client;

	world_add_sinks();
	add_listeners("127.0.0.1", 0);
	world_close_socket(world_deaf_client("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT));
	row->meanwhile();
	world_read_reasons(before);
	client = world_client("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT);
	wait_for(row->reason, before[row->reason]);
	if (row->then) {
		assert_true(world_is_connecting(client));
		row->then();
	}
	if (row->backend || row->then)
		assert_true(world_accept(listeners[row->then ? 1 : row->backend]) >= 0);
	else
		assert_true(world_is_connecting(client));
}

static void followed_or_not(void **state)
{
	for (size_t i = 0; i < sizeof(follow_rows) / sizeof(follow_rows[0]); i++) {
		print_message("           %s\n", follow_rows[i].name);
		assert_int_equal(open_service(state), 0);
		run_follow_row(&follow_rows[i]);
		close_service(state);
	}
}

/* From the same port, when its connection of before, which a cookie has brought, is over. */
static void comes_again(void **state)
{
	uint64_t hash = world_hash("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT);
	int client, server;

	(void)state;
	world_add_sinks();
	add_listeners("127.0.0.1", 0);
	client = world_client("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT);
	server = world_accept(listeners[1]);
	assert_true(server >= 0);
	assert_int_equal(world_cookie(hash).backend_plus_1, 2 | LB_COOKIE_USED);
	world_close_socket(client);
	world_close_socket(server);
	fill();
	world_client("127.0.0.1", CLIENT_PORT, "127.0.0.1", PORT);
	assert_true(world_accept(listeners[2]) >= 0);
}

static bool is_remembered(uint16_t client_port, uint16_t backend)
{
	uint64_t hash = world_hash("127.0.0.1", client_port, "127.0.0.1", PORT);

	world_client("127.0.0.1", client_port, "127.0.0.1", PORT);
	assert_true(world_accept(listeners[backend]) >= 0);
	return (world_cookie(hash).backend_plus_1 & ~LB_COOKIE_USED) == backend + 1;
}

/* As long as no cookie is to be expected nothing is written; from half a backlog of handshakes on it is. */
static void only_when_likely(void **state)
{
	(void)state;
	set_cookies('1');
	add_listeners("127.0.0.1", 0);
	world_set_backend(2, 1, 0, 0);
	assert_false(is_remembered(CLIENT_PORT, 1));
	for (int i = 0; i < WORLD_BACKLOG / 2; i++)
		world_deaf_client("127.0.0.1", 0, "127.0.0.1", PORT);
	assert_true(is_remembered(CLIENT_PORT + 1, 1));
}

int test_cookie(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_rows),
		cmocka_unit_test(followed_or_not),
		cmocka_unit_test_setup_teardown(comes_again, open_service, close_service),
		cmocka_unit_test_setup_teardown(only_when_likely, open_service, close_service),
	};

	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}

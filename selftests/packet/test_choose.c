/* SPDX-License-Identifier: Apache-2.0 */
/* ingress: the schedulers over real maps and listeners; their rules are in unit/bpf/test_bpf_choice.c. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests.h"
#include "world.h"

enum {
	PORT = 80,
	POOL = 3,
	SMALL = 4,       /* backends 1..4 */
	LARGE = 40,      /* backends 1..40: more than are looked at whole */
	SMALL_RING = 13, /* no multiple of a chunk */
	LARGE_RING = 251,
	CONNECTIONS = 2000,
};

static int listeners[LARGE + 1];

static void set_ring(uint32_t entries, uint16_t backends)
{
	uint16_t ring[LARGE_RING];

	for (uint32_t i = 0; i < entries; i++)
		ring[i] = 1 + i % backends;
	world_set_ring(POOL, ring, entries);
}

static void set_pool(uint32_t scheduler, uint16_t backends)
{
	uint32_t entries = backends > LB_POOL_MEMBERS ? LARGE_RING : SMALL_RING;
	uint16_t members[LB_POOL_MEMBERS];

	for (uint16_t i = 0; i < LB_POOL_MEMBERS; i++)
		members[i] = i + 1;
	set_ring(entries, backends);
	world_set_pool(POOL, scheduler, backends, members, entries);
}

static int open_pool(void **state)
{
	if (world_open(state))
		return -1;
	for (uint16_t id = 1; id <= LARGE; id++)
		listeners[id] = world_add_local(id, "127.0.0.1");
	world_add_service("192.0.2.1", PORT, 1, POOL, 0);
	return 0;
}

/* Which backend the SYN from this client goes to; 0: none. */
static uint16_t choose(const char *client, uint16_t client_port)
{
	const struct frame frame = {.client = client,
				    .service = "192.0.2.1",
				    .client_port = client_port,
				    .service_port = PORT,
				    .flags = SYN};
	struct lb_handover entry;
	uint64_t before[LB_REASON_COUNT], after[LB_REASON_COUNT];
	uint64_t hash = world_hash(client, client_port, frame.service, PORT);

	world_read_reasons(before);
	assert_int_equal(world_run(&frame, 0), XDP_PASS);
	world_read_reasons(after);
	if (after[LB_INGRESS_CHOSEN] == before[LB_INGRESS_CHOSEN])
		return 0;
	entry = world_handover(hash);
	return entry.backend_plus_1 - 1;
}

static void choose_many(uint32_t count[LARGE + 1])
{
	memset(count, 0, (LARGE + 1) * sizeof(*count));
	for (uint16_t i = 0; i < CONNECTIONS; i++) {
		uint16_t id = choose("198.51.100.7", 10000 + i);

		assert_in_range(id, 1, LARGE);
		count[id]++;
	}
}

struct row {
	const char *name;
	uint32_t scheduler;
	uint16_t backends;
	unsigned tolerance_percent; /* of each one's even share */
};

static const struct row rows[] = {
	{"least_load, small", LB_LEAST_LOAD, SMALL, 25},
	{"least_load, large", LB_LEAST_LOAD, LARGE, 70},
	{"maglev, small", LB_MAGLEV, SMALL, 40},
	{"maglev, large", LB_MAGLEV, LARGE, 70},
	{"round_robin, small", LB_ROUND_ROBIN, SMALL, 25}, /* 13 places for 4 */
	{"round_robin, large", LB_ROUND_ROBIN, LARGE, 15}, /* 251 places for 40 */
	{"random, small", LB_RANDOM, SMALL, 40},
	{"random, large", LB_RANDOM, LARGE, 70},
};

static void spread(void **state)
{
	uint32_t count[LARGE + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t share = CONNECTIONS / rows[i].backends;
		uint32_t tolerance = share * rows[i].tolerance_percent / 100;

		print_message("           %s\n", rows[i].name);
		set_pool(rows[i].scheduler, rows[i].backends);
		choose_many(count);
		for (uint16_t id = 1; id <= rows[i].backends; id++)
			assert_in_range(count[id], share - tolerance, share + tolerance);
	}
}

static void turn_by_turn(void **state)
{
	uint16_t previous;

	(void)state;
	set_pool(LB_ROUND_ROBIN, LARGE);
	previous = choose("198.51.100.7", 9999);
	for (uint16_t i = 0; i < LARGE; i++) {
		uint16_t id = choose("198.51.100.7", 10000 + i);

		assert_true(id == previous + 1 || id == 1);
		previous = id;
	}
}

static void same_client_same_backend(void **state)
{
	static const char *const clients[] = {"198.51.100.1", "198.51.100.2", "203.0.113.3",
					      "203.0.113.4", "10.1.2.3"};
	bool differ = false;
	uint16_t ids[5];

	(void)state;
	set_pool(LB_SOURCE_HASH, LARGE);
	for (size_t i = 0; i < 5; i++) {
		ids[i] = choose(clients[i], 1000);
		for (uint16_t port = 1001; port < 1100; port++)
			assert_int_equal(choose(clients[i], port), ids[i]);
		differ |= ids[i] != ids[0];
	}
	assert_true(differ);
}

static void maglev_is_steady(void **state)
{
	uint16_t id;

	(void)state;
	set_pool(LB_MAGLEV, LARGE);
	id = choose("198.51.100.7", 5000);
	world_set_active(id, 1000);
	assert_int_equal(choose("198.51.100.7", 5000), id);
	world_set_active(id, 0);
}

/* Each scheduler finds the one that is left, wherever it is. */
static void the_last_one(void **state)
{
	(void)state;
	for (uint32_t scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++) {
		set_pool(scheduler, LB_POOL_MEMBERS);
		for (uint16_t last = 1; last <= LB_POOL_MEMBERS; last++) {
			for (uint16_t id = 1; id <= LB_POOL_MEMBERS; id++)
				world_set_backend(id, 1, id == last ? LB_BACKEND_ENABLED : 0, 0);
			for (uint16_t port = 1; port < 20; port++)
				assert_int_equal(choose("198.51.100.7", port), last);
		}
		for (uint16_t id = 1; id <= LB_POOL_MEMBERS; id++)
			world_set_backend(id, 1, LB_BACKEND_ENABLED, 0);
	}
}

static void half_are_gone(void **state)
{
	(void)state;
	for (uint16_t id = 2; id <= LARGE; id += 2)
		world_set_backend(id, 1, 0, 0);
	for (uint32_t scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++) {
		set_pool(scheduler, LARGE);
		for (uint16_t port = 1; port < 500; port++)
			assert_int_equal(choose("198.51.100.7", port) % 2, 1);
	}
	for (uint16_t id = 2; id <= LARGE; id += 2)
		world_set_backend(id, 1, LB_BACKEND_ENABLED, 0);
}

static void no_ring(void **state)
{
	static const uint16_t members[] = {1, 2, 3, 4};

	(void)state;
	for (uint32_t scheduler = 0; scheduler < LB_SCHEDULERS; scheduler++) {
		world_set_pool(POOL, scheduler, SMALL, members, 0);
		assert_in_range(choose("198.51.100.7", 7), 1, SMALL);
	}
	world_set_pool(POOL, LB_MAGLEV, LARGE, NULL, 0);
	assert_int_equal(choose("198.51.100.7", 7), 0);
}

/* The pool says more than the ring has: places that are not there are passed over. */
static void short_ring(void **state)
{
	static const uint16_t ring[] = {5, 5, 5, 5};

	(void)state;
	world_set_ring(POOL, ring, 4);
	world_set_pool(POOL, LB_MAGLEV, LARGE, NULL, 16);
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 5);
}

/* A connection in the accept queue outweighs any number of open ones. */
static void queue_first(void **state)
{
	int client;

	(void)state;
	set_pool(LB_LEAST_LOAD, SMALL);
	for (uint16_t id = 2; id <= SMALL; id++)
		world_set_active(id, 100 * id);
	client = world_client("127.0.0.1", 0, "127.0.0.1", world_local_port(listeners[1]));
	assert_int_equal(world_finish_connect(client), 0);
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 2);
	assert_true(world_accept(listeners[1]) >= 0);
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 1);
	for (uint16_t id = 2; id <= SMALL; id++)
		world_set_active(id, 0);
}

static bool told_full(uint32_t id)
{
	struct lb_backend backend;

	assert_int_equal(choose("198.51.100.7", 1), id);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(world->maps.backends), &id, &backend), 0);
	return backend.queue_full;
}

static int count_full(void *arg, void *data, size_t size)
{
	const struct lb_event *event = data;

	assert_int_equal(size, sizeof(*event));
	if (event->type == LB_QUEUE_FULL && event->backend == 1 && !event->is_v6)
		++*(unsigned *)arg;
	return 0;
}

/* A queue that takes no more is told of once, until lbd has written the backend anew. */
static void full_queue_is_told(void **state)
{
	unsigned told = 0;
	struct ring_buffer *events =
		ring_buffer__new(bpf_map__fd(world->maps.events), count_full, &told, NULL);

	(void)state;
	assert_non_null(events);
	set_pool(LB_MAGLEV, 1);
	assert_int_equal(listen(listeners[1], 1), 0); /* the kernel lets one more in */
	for (int i = 0; i < 2; i++) {
		int client;

		assert_false(told_full(1));
		client = world_client("127.0.0.1", 0, "127.0.0.1", world_local_port(listeners[1]));
		assert_int_equal(world_finish_connect(client), 0);
	}
	assert_true(told_full(1) && told_full(1));
	ring_buffer__consume(events);
	assert_int_equal(told, 1);
	world_set_backend(1, 1, LB_BACKEND_ENABLED, 0);
	assert_true(told_full(1));
	ring_buffer__consume(events);
	assert_int_equal(told, 2);
	for (int i = 0; i < 2; i++)
		assert_true(world_accept(listeners[1]) >= 0);
	world_set_backend(1, 1, LB_BACKEND_ENABLED, 0);
	assert_false(told_full(1));
	assert_int_equal(listen(listeners[1], 64), 0);
	ring_buffer__free(events);
}

/* So do handshakes, against open connections: a burst is spread before any of it is established. */
static void handshakes_count(void **state)
{
	time_t deadline = time(NULL) + 3;

	(void)state;
	set_pool(LB_LEAST_LOAD, 2);
	world_set_active(2, 1);
	for (int i = 0; i < 2; i++)
		world_deaf_client("127.0.0.1", 0, "127.0.0.1", world_local_port(listeners[1]));
	while (choose("198.51.100.7", 1) != 2 && time(NULL) <= deadline)
		;
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 2);
	world_set_active(2, 0);
}

static void load_for_weight(void **state)
{
	(void)state;
	set_pool(LB_LEAST_LOAD, SMALL);
	for (uint16_t id = 1; id <= SMALL; id++) {
		world_set_backend(id, id, LB_BACKEND_ENABLED, 0);
		world_set_active(id, 10 * id);
	}
	world_set_active(3, 29);
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 3);
	for (uint16_t id = 1; id <= SMALL; id++) {
		world_set_backend(id, 1, LB_BACKEND_ENABLED, 0);
		world_set_active(id, 0);
	}
}

static void closed_listener(void **state)
{
	(void)state;
	set_pool(LB_LEAST_LOAD, 2);
	world_close_socket(listeners[1]);
	for (uint16_t port = 1; port < 100; port++)
		assert_int_equal(choose("198.51.100.7", port), 2);
	listeners[1] = world_add_local(1, "127.0.0.1");
}

int test_choose(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spread),
		cmocka_unit_test(turn_by_turn),
		cmocka_unit_test(same_client_same_backend),
		cmocka_unit_test(maglev_is_steady),
		cmocka_unit_test(the_last_one),
		cmocka_unit_test(half_are_gone),
		cmocka_unit_test(no_ring),
		cmocka_unit_test(short_ring),
		cmocka_unit_test(queue_first),
		cmocka_unit_test(full_queue_is_told),
		cmocka_unit_test(load_for_weight),
		cmocka_unit_test(closed_listener),
		cmocka_unit_test(handshakes_count),
	};

	return cmocka_run_group_tests_name("choose", tests, open_pool, world_close);
}

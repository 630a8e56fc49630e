/* SPDX-License-Identifier: Apache-2.0 */
/* track: real listeners and connections of this namespace, with the program on the root cgroup. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests.h"
#include "world.h"

enum { ID = 9, GENERATION = 77, PORT = 8090, EVENTS = 16, WAIT_S = 3 };

static struct lb_event events[EVENTS];
static size_t event_count;

static int take_event(void *context, void *data, size_t length)
{
	(void)context;
	assert_int_equal(length, sizeof(struct lb_event));
	if (event_count < EVENTS)
		memcpy(&events[event_count++], data, length);
	return 0;
}

static void read_events(void)
{
	struct ring_buffer *ring =
		ring_buffer__new(bpf_map__fd(world->maps.events), take_event, NULL, NULL);

	assert_non_null(ring);
	event_count = 0;
	assert_true(ring_buffer__consume(ring) >= 0);
	ring_buffer__free(ring);
}

static void expect_event(size_t i, uint32_t type, bool is_v6)
{
	assert_true(i < event_count);
	assert_int_equal(events[i].type, type);
	assert_int_equal(events[i].backend, ID);
	assert_int_equal(events[i].generation, GENERATION);
	assert_int_equal(events[i].is_v6, is_v6);
}

/* One event of each family that is meant, IPv4 first. */
static void expect_events(uint32_t type, bool v4, bool v6)
{
	read_events();
	assert_int_equal(event_count, v4 + v6);
	if (v4)
		expect_event(0, type, false);
	if (v6)
		expect_event(v4, type, true);
}

/* The close of a connection is finished by the kernel after close(2): no event tells us. */
static void expect_active(uint32_t active)
{
	time_t deadline = time(NULL) + WAIT_S;

	while (world_load(ID).active != active && time(NULL) <= deadline)
		sched_yield();
	assert_int_equal(world_load(ID).active, active);
}

static int open_track(void **state)
{
	if (world_open(state))
		return -1;
	world_set_backend(ID, 1, LB_BACKEND_ENABLED, 0);
	world_set_generation(ID, GENERATION);
	world_attach_track();
	return 0;
}

struct row {
	const char *name;
	const char *known, *bound; /* address of the backend, and of the listener */
	int listen_flags;
	bool v4, v6; /* slots that it goes to */
};

/* Nothing is implied: a backend that lbd does not supervise is at its address and nowhere else. */
static const struct row rows[] = {
	{"v4", "127.0.0.1", "127.0.0.1", 0, true, false},
	{"v6 only", "::1", "::1", WORLD_V6ONLY, false, true},
	{"v6 address: never IPv4", "::1", "::1", 0, false, true},
	{"v4 any", "0.0.0.0", "0.0.0.0", 0, true, false},
	{"v6 any, takes both", "::", "::", 0, true, true},
	{"v6 any, v6 only", "::", "::", WORLD_V6ONLY, false, true},
	{"v4 mapped", "127.0.0.1", "::ffff:127.0.0.1", 0, true, true},
	{"another address", "127.0.0.2", "127.0.0.1", 0, false, false},
	{"another family", "::1", "127.0.0.1", 0, false, false},
	{"the other loopback", "127.0.0.1", "::1", 0, false, false},
	{"any v4 for one", "127.0.0.1", "0.0.0.0", 0, false, false},
	{"any v6 for one", "127.0.0.1", "::", 0, false, false},
	{"one for any v4", "0.0.0.0", "127.0.0.1", 0, false, false},
	{"one for any v6", "::", "::1", 0, false, false},
	{"any v6 for any v4", "0.0.0.0", "::", 0, false, false},
};

static void expect_row(const struct row *row)
{
	int fd = world_listen(row->bound, PORT, row->listen_flags);

	assert_true(world_slot_is(LB_LISTENER(ID, false), row->v4 ? fd : -1));
	assert_true(world_slot_is(LB_LISTENER(ID, true), row->v6 ? fd : -1));
	expect_events(LB_LISTENER_OPENED, row->v4, row->v6);
	world_close_socket(fd);
	assert_true(world_slot_is(LB_LISTENER(ID, false), -1));
	assert_true(world_slot_is(LB_LISTENER(ID, true), -1));
	expect_events(LB_LISTENER_CLOSED, row->v4, row->v6);
}

static void run_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		print_message("           %s\n", rows[i].name);
		assert_int_equal(open_track(state), 0);
		world_add_backend_id(rows[i].known, PORT, ID);
		expect_row(&rows[i]);
		world_close(state);
	}
}

/* A control group of this process's own, and back to where it was. */
static char home_group[PATH_MAX], own_group[PATH_MAX];

static void enter_group(const char *group)
{
	char path[PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0 && write(fd, "0", 1) == 1);
	close(fd);
}

static uint64_t group_id(const char *group)
{
	struct stat st;

	assert_int_equal(stat(group, &st), 0);
	return st.st_ino;
}

static void find_home_group(void)
{
	char line[PATH_MAX + 8];
	FILE *file = fopen("/proc/self/cgroup", "re");

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, "0::", 3))
			snprintf(home_group, sizeof(home_group), "%s%.*s", world_cgroup_root(),
				 (int)strcspn(line + 3, "\n"), line + 3);
	fclose(file);
}

static int make_group(void **state)
{
	if (open_track(state))
		return -1;
	find_home_group();
	snprintf(own_group, sizeof(own_group), "%s/lbd-test-track-%d", world_cgroup_root(),
		 getpid());
	mkdir(own_group, 0755);
	return 0;
}

static int remove_group(void **state)
{
	enter_group(home_group);
	rmdir(own_group);
	return world_close(state);
}

/* Of a worker: its group is the proof, so it may listen at any address, and at the other loopback. */
static const struct row worker_rows[] = {
	{"v4", "127.0.0.1", "127.0.0.1", 0, true, false},
	{"any v4", "127.0.0.1", "0.0.0.0", 0, true, false},
	{"any v6, takes both", "127.0.0.1", "::", 0, true, true},
	{"any v6, v6 only", "127.0.0.1", "::", WORLD_V6ONLY, false, true},
	{"the other loopback", "127.0.0.1", "::1", 0, false, true},
	{"the other loopback, of v6", "::1", "127.0.0.1", 0, true, false},
	{"v6", "::1", "::1", 0, false, true},
	{"one for any", "0.0.0.0", "127.0.0.1", 0, true, false},
	{"another loopback address", "127.0.0.2", "127.0.0.1", 0, false, false},
};

static void worker_rows_run(void **state)
{
	(void)state;
	enter_group(own_group);
	for (size_t i = 0; i < sizeof(worker_rows) / sizeof(worker_rows[0]); i++) {
		print_message("           %s\n", worker_rows[i].name);
		world_add_worker(group_id(own_group), worker_rows[i].known, PORT, ID);
		expect_row(&worker_rows[i]);
	}
}

static void expect_denied(const char *bound)
{
	int fd;

	fd = world_listen(bound, PORT, 0);
	assert_true(world_slot_is(LB_LISTENER(ID, false), -1));
	assert_true(world_slot_is(LB_LISTENER(ID, true), -1));
	expect_events(LB_LISTENER_DENIED, true, false);
	world_close_socket(fd);
	expect_events(0, false, false);
}

static void strangers_on_a_workers_port(void **state)
{
	struct lb_backend_id worker = {.backend = ID, .flags = LB_ID_WORKER};

	(void)state;
	world_set_backend_id("127.0.0.1", PORT, worker);
	world_add_worker(group_id(own_group), "127.0.0.1", PORT, ID);
	expect_denied("127.0.0.1");
	assert_int_equal(world_backend_id("127.0.0.1", PORT).denied, 1);
	world_close_socket(world_listen("127.0.0.1", PORT, 0));
	expect_events(0, false, false); /* told once */
	world_set_backend_id("127.0.0.1", PORT, worker);
	expect_denied("127.0.0.1");
	world_close_socket(world_listen("::1", PORT, 0));
	world_close_socket(world_listen("0.0.0.0", PORT, 0));
	expect_events(0, false, false);
}

/* The group in which it was made counts, whoever calls listen(2). */
static void made_elsewhere(void **state)
{
	struct lb_backend_id worker = {.backend = ID, .flags = LB_ID_WORKER};
	int outside = world_bind("127.0.0.1", PORT, 0), inside;

	(void)state;
	world_set_backend_id("127.0.0.1", PORT, worker);
	world_add_worker(group_id(own_group), "127.0.0.1", PORT, ID);
	enter_group(own_group);
	assert_int_equal(listen(outside, 1), 0);
	assert_true(world_slot_is(LB_LISTENER(ID, false), -1));
	world_close_socket(outside);
	inside = world_bind("127.0.0.1", PORT, 0);
	enter_group(home_group);
	assert_int_equal(listen(inside, 1), 0);
	assert_true(world_slot_is(LB_LISTENER(ID, false), inside));
}

static void made_below(void **state)
{
	char below[PATH_MAX + 16];
	int fd;

	(void)state;
	world_add_worker(group_id(own_group), "127.0.0.1", PORT, ID);
	snprintf(below, sizeof(below), "%s/below", own_group);
	mkdir(below, 0755);
	enter_group(below);
	fd = world_listen("127.0.0.1", PORT, 0);
	assert_true(world_slot_is(LB_LISTENER(ID, false), fd));
	enter_group(home_group);
	rmdir(below);
}

/* A worker is no more than others where it is not its own port. */
static void a_worker_elsewhere(void **state)
{
	(void)state;
	world_set_backend_id("127.0.0.1", PORT,
			     (struct lb_backend_id){.backend = ID, .flags = LB_ID_WORKER});
	world_add_worker(group_id(own_group), "127.0.0.1", PORT + 1, ID + 1);
	enter_group(own_group);
	expect_denied("127.0.0.1");
}

static void makers_only(void **state)
{
	struct lb_backend_id mine = {.backend = ID, .flags = LB_ID_MAKER, .maker = getuid()};
	struct lb_backend_id other = mine;
	int fd;

	(void)state;
	world_set_backend_id("127.0.0.1", PORT, mine);
	fd = world_listen("127.0.0.1", PORT, 0);
	assert_true(world_slot_is(LB_LISTENER(ID, false), fd));
	world_close_socket(fd);
	read_events();
	other.maker++;
	world_set_backend_id("127.0.0.1", PORT, other);
	expect_denied("127.0.0.1");
}

static void other_port(void **state)
{
	(void)state;
	world_add_backend_id("127.0.0.1", PORT + 1, ID);
	world_listen("127.0.0.1", PORT, 0);
	expect_events(0, false, false);
}

/* As a worker that was restarted: it is captured again by itself. */
static void comes_back(void **state)
{
	(void)state;
	world_add_backend_id("127.0.0.1", PORT, ID);
	for (int i = 0; i < 3; i++) {
		int fd = world_listen("127.0.0.1", PORT, 0);

		assert_true(world_slot_is(LB_LISTENER(ID, false), fd));
		world_close_socket(fd);
	}
}

static void other_namespace(void **state)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	(void)state;
	world_add_backend_id("0.0.0.0", PORT, ID);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	world_listen("0.0.0.0", PORT, 0);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);
	assert_true(world_slot_is(LB_LISTENER(ID, false), -1));
	expect_events(0, false, false);
}

static int captured(void)
{
	world_add_backend_id("127.0.0.1", PORT, ID);
	return world_listen("127.0.0.1", PORT, 0);
}

static int connected(int listener, int *client)
{
	int fd;

	*client = world_client("127.0.0.1", 0, "127.0.0.1", world_local_port(listener));
	fd = world_accept(listener);
	assert_true(fd >= 0);
	return fd;
}

static void counts(void **state)
{
	int listener = captured(), client[3], fd[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		fd[i] = connected(listener, &client[i]);
		expect_active(i + 1);
	}
	assert_int_equal(world_load(ID).total, 3);
	world_close_socket(client[0]);
	expect_active(3); /* half closed: the worker has it open still */
	world_close_socket(fd[0]);
	expect_active(2);
	world_reset_socket(fd[1]);
	expect_active(1);
	world_reset_socket(client[2]);
	expect_active(0);
	assert_int_equal(world_load(ID).total, 3);
}

/* One that waits in the accept queue is counted, and goes with its listener. */
static void counts_the_queue(void **state)
{
	int listener = captured();

	(void)state;
	assert_int_equal(world_finish_connect(world_client("127.0.0.1", 0, "127.0.0.1", PORT)), 0);
	expect_active(1);
	world_close_socket(listener);
	expect_active(0);
}

/* What listened before, and was given its tag by lbd. */
static void counts_an_adopted(void **state)
{
	int listener = world_listen("127.0.0.1", PORT, 0), client, fd;

	(void)state;
	world_adopt(listener, ID, GENERATION, false);
	fd = connected(listener, &client);
	expect_active(1);
	world_close_socket(fd);
	expect_active(0);
	assert_int_equal(world_load(ID).total, 1);
}

static void another_generation(void **state)
{
	int listener = captured(), client, fd = connected(listener, &client);

	(void)state;
	expect_active(1);
	world_set_generation(ID, GENERATION + 1);
	world_set_active(ID, 5); /* the next user's */
	world_close_socket(fd);
	connected(listener, &client);
	world_close_socket(client);
	assert_int_equal(world_load(ID).active, 5);
	assert_int_equal(world_load(ID).total, 0);
}

static void never_below_0(void **state)
{
	int listener = captured(), client, fd = connected(listener, &client);

	(void)state;
	expect_active(1);
	world_set_active(ID, 0);
	world_reset_socket(fd);
	expect_active(0);
}

/* Drained: lbd hears of the last one, and of no other. */
static void tells_when_empty(void **state)
{
	int listener = captured(), client[2], fd[2];

	(void)state;
	fd[0] = connected(listener, &client[0]);
	fd[1] = connected(listener, &client[1]);
	expect_active(2);
	world_set_backend(ID, 1, 0, 0);
	read_events();
	world_reset_socket(fd[0]);
	expect_active(1);
	expect_events(0, false, false);
	world_reset_socket(fd[1]);
	expect_active(0);
	expect_events(LB_BACKEND_EMPTY, true, false);
}

static void not_drained_not_told(void **state)
{
	int listener = captured(), client, fd = connected(listener, &client);

	(void)state;
	expect_active(1);
	read_events();
	world_reset_socket(fd);
	expect_active(0);
	expect_events(0, false, false);
}

/* Nobody reads: what finds no room is counted. */
static void loses_events(void **state)
{
	enum { RECORD = 8 + sizeof(struct lb_event), CYCLES = LB_EVENTS_BYTES / RECORD / 2 + 10 };
	uint64_t reasons[LB_REASON_COUNT];

	(void)state;
	for (int i = 0; i < CYCLES; i++)
		world_close_socket(captured());
	world_read_reasons(reasons);
	assert_in_range(reasons[LB_TRACK_EVENT_LOST], 1, 2 * CYCLES);
	read_events();
	world_close_socket(captured());
	read_events();
	assert_int_equal(event_count, 2);
}

/* listen(2), then a client of the service: the kernel does the rest. */
static void capture_to_delivery(void **state)
{
	int listener;

	(void)state;
	world_attach_steer();
	world_set_pool(1, LB_LEAST_LOAD, 1, (uint16_t[]){ID}, 0);
	world_add_service("0.0.0.0", 80, 1, 1, 0);
	listener = captured();
	assert_int_equal(world_finish_connect(world_client("127.0.0.1", 0, "127.0.0.1", 80)), 0);
	assert_true(world_accept(listener) >= 0);
	expect_active(1);
	assert_int_equal(world_service_count(1).connections, 1);
}

#define GROUP_TEST(test) cmocka_unit_test_setup_teardown(test, make_group, remove_group)
#define TRACK_TEST(test) cmocka_unit_test_setup_teardown(test, open_track, world_close)

int test_track(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(run_rows),
		GROUP_TEST(worker_rows_run),
		GROUP_TEST(strangers_on_a_workers_port),
		GROUP_TEST(made_elsewhere),
		GROUP_TEST(made_below),
		GROUP_TEST(a_worker_elsewhere),
		TRACK_TEST(makers_only),
		TRACK_TEST(other_port),
		TRACK_TEST(comes_back),
		TRACK_TEST(other_namespace),
		TRACK_TEST(counts),
		TRACK_TEST(counts_the_queue),
		TRACK_TEST(counts_an_adopted),
		TRACK_TEST(another_generation),
		TRACK_TEST(never_below_0),
		TRACK_TEST(tells_when_empty),
		TRACK_TEST(not_drained_not_told),
		TRACK_TEST(loses_events),
		TRACK_TEST(capture_to_delivery),
	};

	if (!world_can_track()) {
		print_message("packet: track skipped: no cgroup v2 hierarchy is mounted\n");
		return 0;
	}
	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}

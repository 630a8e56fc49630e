/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "flow.h"

struct lb *world;

static const struct lb_seed seed = {.key = {0x0123456789abcdef, 0xfedcba9876543210},
				    .origin = LB_SEED_DRAWN};

static int map_fd(const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(world->obj, name);

	assert_true(fd >= 0);
	return fd;
}

static void map_set(const char *name, const void *key, const void *value)
{
	if (bpf_map_update_elem(map_fd(name), key, value, BPF_ANY))
		fail_msg("map %s: %s", name, strerror(errno));
}

static int print_errors(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static uint64_t own_netns_cookie(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &length);
	close(fd);
	return cookie;
}

void world_add_own(const char *address, uint32_t bits)
{
	struct lb_local_key key = {.prefix_bits = bits, .addr = world_endpoint(address, 0).addr};
	uint8_t value = 1;

	map_set("locals", &key, &value);
}

void world_set_at_hand(const char *v4, const char *v6)
{
	struct lb_locals_at_hand at_hand = {0};
	uint32_t zero = 0;

	at_hand.addrs[false][LB_LOCALS_AT_HAND - 1] = world_endpoint(v4, 0).addr;
	at_hand.addrs[true][LB_LOCALS_AT_HAND - 1] = world_endpoint(v6, 0).addr;
	map_set("locals_at_hand", &zero, &at_hand);
}

static void add_own(void)
{
	world_add_own("127.0.0.0", 96 + 8);
	world_add_own("192.0.2.0", 96 + 24);
	world_add_own("::1", 128);
	world_add_own("2001:db8::", 64);
}

int world_open(void **state)
{
	struct timespec tick;

	if (world) /* a test failed half-way */
		world_close(state);
	libbpf_set_print(print_errors);
	world = lb__open();
	if (!world)
		return -1;
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	world->rodata->jiffies_per_second = 1000000000 / tick.tv_nsec;
	world->rodata->netns_cookie = own_netns_cookie();
	if (lb__load(world)) {
		lb__destroy(world);
		world = NULL;
		return -1;
	}
	map_set("seeds", &(uint32_t){0}, &seed);
	add_own();
	return 0;
}

int world_close(void **state)
{
	(void)state;
	world_close_sockets();
	lb__destroy(world); /* takes NULL */
	world = NULL;
	return 0;
}

void world_attach_steer(void)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	world->links.steer = bpf_program__attach_netns(world->progs.steer, netns);
	close(netns);
	assert_non_null(world->links.steer);
}

const char *world_cgroup_root(void)
{
	static char root[PATH_MAX];
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *entry;

	root[0] = 0;
	while (mounts && !root[0] && (entry = getmntent(mounts)))
		if (!strcmp(entry->mnt_type, "cgroup2"))
			snprintf(root, sizeof(root), "%s", entry->mnt_dir);
	if (mounts)
		endmntent(mounts);
	return root[0] ? root : NULL;
}

bool world_can_track(void)
{
	return world_cgroup_root() != NULL;
}

void world_attach_track(void)
{
	int cgroup = open(world_cgroup_root(), O_RDONLY | O_CLOEXEC);

	world->links.track = bpf_program__attach_cgroup(world->progs.track, cgroup);
	close(cgroup);
	assert_non_null(world->links.track);
}

struct lb_endpoint world_endpoint(const char *address, uint16_t port)
{
	struct lb_endpoint endpoint = {.port = htons(port), .protocol = IPPROTO_TCP};

	if (inet_pton(AF_INET6, address, &endpoint.addr) == 1)
		return endpoint;
	endpoint.addr.words[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, address, &endpoint.addr.words[3]), 1);
	return endpoint;
}

static void set_port_flag(uint16_t port, uint8_t flag)
{
	uint8_t flags[LB_PORTS];
	uint32_t zero = 0;

	assert_int_equal(bpf_map_lookup_elem(map_fd("service_ports"), &zero, flags), 0);
	flags[port] |= flag;
	map_set("service_ports", &zero, flags);
}

void world_add_service(const char *address, uint16_t port, uint16_t id, uint16_t pool,
		       uint32_t flags)
{
	struct lb_endpoint key = world_endpoint(address, port);
	struct lb_service service = {.id = id, .pool = pool, .flags = flags};

	map_set("services", &key, &service);
	if (!strcmp(address, "::"))
		set_port_flag(port, LB_PORT_ANY_V6);
	else
		set_port_flag(port, strcmp(address, "0.0.0.0") ? LB_PORT_ADDRESS : LB_PORT_ANY_V4);
}

void world_add_acl(uint16_t service, const char *address, uint32_t bits, uint8_t verdict)
{
	struct lb_acl_key key = {
		.prefix_bits = 32 + bits,
		.service = service,
		.addr = world_endpoint(address, 0).addr,
	};

	map_set("acl", &key, &verdict);
}

void world_set_pool(uint16_t id, uint32_t scheduler, uint32_t count, const uint16_t *members,
		    uint32_t ring_entries)
{
	struct lb_pool pool = {.scheduler = scheduler,
			       .count = count,
			       .ring_entries = ring_entries};
	uint32_t key = id;

	for (uint32_t i = 0; i < LB_POOL_MEMBERS && i < count && members; i++) {
		pool.members[i] = members[i];
		world_set_pool_of(members[i], id);
	}
	map_set("pools", &key, &pool);
}

void world_set_pool_flags(uint16_t id, uint32_t flags)
{
	struct lb_pool pool;
	uint32_t key = id;

	assert_int_equal(bpf_map_lookup_elem(map_fd("pools"), &key, &pool), 0);
	pool.flags = flags;
	map_set("pools", &key, &pool);
}

void world_set_ring(uint16_t pool, const uint16_t *ring, uint32_t entries)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	uint32_t chunks = (entries + LB_RING_PER_CHUNK - 1) / LB_RING_PER_CHUNK, key = pool;
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", sizeof(key),
				   sizeof(struct lb_ring_chunk), chunks, &opts);

	assert_true(inner >= 0);
	for (uint32_t i = 0; i < chunks; i++) {
		struct lb_ring_chunk chunk = {0};

		for (uint32_t j = 0; j < LB_RING_PER_CHUNK; j++)
			if (i * LB_RING_PER_CHUNK + j < entries)
				chunk.backends[j] = ring[i * LB_RING_PER_CHUNK + j];
		assert_int_equal(bpf_map_update_elem(inner, &i, &chunk, BPF_ANY), 0);
	}
	map_set("rings", &key, &inner);
	close(inner);
}

static struct lb_backend get_backend(uint16_t id)
{
	struct lb_backend backend;
	uint32_t key = id;

	assert_int_equal(bpf_map_lookup_elem(map_fd("backends"), &key, &backend), 0);
	return backend;
}

void world_set_backend(uint16_t id, uint16_t weight, uint16_t flags, uint32_t max_connections)
{
	struct lb_backend backend = get_backend(id);
	uint32_t key = id;

	backend.weight = weight;
	backend.flags = flags;
	backend.max_connections = max_connections;
	backend.queue_full = 0;
	map_set("backends", &key, &backend);
}

void world_set_pool_of(uint16_t id, uint16_t pool)
{
	struct lb_backend backend = get_backend(id);
	uint32_t key = id;

	backend.pool = pool;
	map_set("backends", &key, &backend);
}

void world_set_generation(uint16_t id, uint32_t generation)
{
	struct lb_backend backend = get_backend(id);
	uint32_t key = id;

	backend.generation = generation;
	map_set("backends", &key, &backend);
}

void world_set_active(uint16_t id, uint32_t active)
{
	struct lb_load load = {.active = active};
	uint32_t key = id;

	map_set("loads", &key, &load);
}

struct lb_load world_load(uint16_t id)
{
	struct lb_load load;
	uint32_t key = id;

	assert_int_equal(bpf_map_lookup_elem(map_fd("loads"), &key, &load), 0);
	return load;
}

void world_set_backend_id(const char *address, uint16_t port, struct lb_backend_id value)
{
	struct lb_endpoint key = world_endpoint(address, port);

	map_set("backend_ids", &key, &value);
}

void world_add_backend_id(const char *address, uint16_t port, uint16_t id)
{
	world_set_backend_id(address, port, (struct lb_backend_id){.backend = id});
}

struct lb_backend_id world_backend_id(const char *address, uint16_t port)
{
	struct lb_endpoint key = world_endpoint(address, port);
	struct lb_backend_id value;

	assert_int_equal(bpf_map_lookup_elem(map_fd("backend_ids"), &key, &value), 0);
	return value;
}

void world_add_worker(uint64_t group, const char *address, uint16_t port, uint16_t id)
{
	struct lb_worker value = {.endpoint = world_endpoint(address, port), .backend = id};

	map_set("workers", &group, &value);
}

void world_set_slot(uint32_t slot, int fd)
{
	uint64_t value = fd;

	map_set("listeners", &slot, &value);
}

bool world_slot_is(uint32_t slot, int fd)
{
	uint64_t found = 0, cookie = 0;
	socklen_t length = sizeof(cookie);

	if (bpf_map_lookup_elem(map_fd("listeners"), &slot, &found))
		return fd < 0;
	if (fd < 0)
		return false;
	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
	return found == cookie;
}

void world_adopt(int fd, uint16_t backend, uint32_t generation, bool is_v6)
{
	struct lb_tag tag = {.backend = backend, .generation = generation};

	map_set("owners", &fd, &tag);
	world_set_slot(LB_LISTENER(backend, is_v6), fd);
}

int world_add_local(uint16_t backend, const char *address)
{
	int fd = world_listen(address, 0, 0);

	world_adopt(fd, backend, 0, strchr(address, ':') != NULL);
	world_set_backend(backend, 1, LB_BACKEND_ENABLED, 0);
	return fd;
}

int world_run(const struct frame *frame, size_t length)
{
	uint8_t buffer[FRAME_ROOM];
	size_t built = frame_build(frame, buffer);
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = buffer,
		    .data_size_in = length ? length : built, .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(world->progs.ingress), &opts))
		fail_msg("test run: %s", strerror(errno));
	return opts.retval;
}

/* The sum over all CPUs of values of u64 only. */
static void read_per_cpu(const char *map, uint32_t key, uint64_t *sum, size_t words)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = calloc(cpus * words, sizeof(*values));

	assert_int_equal(bpf_map_lookup_elem(map_fd(map), &key, values), 0);
	memset(sum, 0, words * sizeof(*sum));
	for (size_t i = 0; i < cpus * words; i++)
		sum[i % words] += values[i];
	free(values);
}

void world_read_reasons(uint64_t reasons[LB_REASON_COUNT])
{
	for (uint32_t i = 0; i < LB_REASON_COUNT; i++)
		read_per_cpu("reasons", i, &reasons[i], 1);
}

static const char *reason_name(int reason)
{
	static const char *const names[] = {
#define NAME(name, text, meaning) text,
		LB_REASONS(NAME)
#undef NAME
	};

	return names[reason];
}

void world_expect_reasons(const uint64_t before[LB_REASON_COUNT], const int *reasons)
{
	uint64_t now[LB_REASON_COUNT], expected[LB_REASON_COUNT];

	memcpy(expected, before, sizeof(expected));
	for (; *reasons != LB_REASON_COUNT; reasons++)
		expected[*reasons]++;
	world_read_reasons(now);
	for (int i = 0; i < LB_REASON_COUNT; i++)
		if (now[i] != expected[i])
			fail_msg("%s: counted %llu times, expected %llu", reason_name(i),
				 (unsigned long long)(now[i] - before[i]),
				 (unsigned long long)(expected[i] - before[i]));
}

void world_expect_reason(const uint64_t before[LB_REASON_COUNT], int reason)
{
	world_expect_reasons(before, (int[]){reason, LB_REASON_COUNT});
}

struct lb_service_count world_service_count(uint16_t id)
{
	struct lb_service_count count;

	read_per_cpu("service_counts", id, (uint64_t *)&count, sizeof(count) / 8);
	return count;
}

uint64_t world_hash(const char *client, uint16_t client_port, const char *service, uint16_t port)
{
	struct flow flow = {
		.client = world_endpoint(client, 0).addr,
		.service = world_endpoint(service, 0).addr,
		.client_port = htons(client_port),
		.service_port = htons(port),
		.is_v6 = strchr(client, ':') != NULL,
	};

	return flow_hash(&flow, &seed);
}

typedef struct lb_handover handover_table[LB_HANDOVER_ENTRIES];

/* That of each CPU, to be freed. */
static handover_table *handover_read(void)
{
	handover_table *tables = calloc(libbpf_num_possible_cpus(), sizeof(*tables));
	uint32_t zero = 0;

	assert_non_null(tables);
	assert_int_equal(bpf_map_lookup_elem(map_fd("handover"), &zero, tables), 0);
	return tables;
}

/* The CPU that it was written on is ours: see main(). */
struct lb_handover world_handover(uint64_t hash)
{
	handover_table *tables = handover_read();
	struct lb_handover entry = tables[sched_getcpu()][hash % LB_HANDOVER_ENTRIES];

	free(tables);
	return entry;
}

void world_set_handover(uint64_t hash, struct lb_handover entry)
{
	handover_table *tables = handover_read();
	uint32_t zero = 0;

	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		tables[cpu][hash % LB_HANDOVER_ENTRIES] = entry;
	map_set("handover", &zero, tables);
	free(tables);
}

struct lb_handover world_cookie(uint64_t hash)
{
	struct lb_handover entry;
	uint32_t key = hash % LB_COOKIE_ENTRIES;

	assert_int_equal(bpf_map_lookup_elem(map_fd("cookies"), &key, &entry), 0);
	return entry;
}

void world_set_cookie(uint64_t hash, struct lb_handover entry)
{
	uint32_t key = hash % LB_COOKIE_ENTRIES;

	map_set("cookies", &key, &entry);
}

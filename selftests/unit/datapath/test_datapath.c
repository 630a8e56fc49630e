/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/datapath.h"
#include "host/process/inspect.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit/own_netns.h"

#define ROOT "/sys/fs/bpf/lbd/t"

static int descriptors; /* before the test */
static struct datapath *dp;
static struct error error;

/* Each test begins with no pins and no veth, and an open datapath. */
static int setup(void **state)
{
	(void)state;
	dp = NULL;
	if (!privileged)
		return 0;
	assert_int_equal(inspect_load(), 0); /* stays for good */
	descriptors = own_descriptors();
	run("ip link add eth0 type veth peer name peer0 &&"
	    " ip link set eth0 up && ip link set peer0 up");
	if (datapath_open("t", &dp, &error))
		fail_msg("%s", error.text);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!privileged)
		return 0;
	datapath_destroy(dp);
	assert_int_equal(own_descriptors(), descriptors);
	if (if_nametoindex("eth0"))
		run("ip link del eth0");
	assert_int_equal(access(ROOT, F_OK), -1);
	return 0;
}

static void reopen(void)
{
	datapath_close(dp);
	if (datapath_open("t", &dp, &error))
		fail_msg("%s", error.text);
}

static int pin(const char *kind, const char *name)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), ROOT "/%s/%s", kind, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		fail_msg("%s: %s", path, strerror(-fd));
	return fd;
}

static bool is_pinned(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), ROOT "/links/%s", name);
	return !access(path, F_OK);
}

struct ids {
	uint32_t maps[32], links[8], programs[8];
	size_t map_count, link_count;
};

static void read_map_id(struct ids *ids, const char *name)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	int fd = pin("maps", name);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	ids->maps[ids->map_count++] = info.id;
	close(fd);
}

static void read_link_ids(struct ids *ids, const char *name)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);
	int fd = pin("links", name);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &length), 0);
	ids->programs[ids->link_count] = info.prog_id;
	ids->links[ids->link_count++] = info.id;
	close(fd);
}

static void each_pin(const char *directory, struct ids *ids,
		     void (*each)(struct ids *ids, const char *name))
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			each(ids, entry->d_name);
	closedir(dir);
}

static struct ids read_ids(void)
{
	struct ids ids = {0};

	each_pin(ROOT "/maps", &ids, read_map_id);
	each_pin(ROOT "/links", &ids, read_link_ids);
	return ids;
}

static struct lb_endpoint endpoint(const char *address, uint16_t port)
{
	struct lb_endpoint e = {.port = htons(port), .protocol = IPPROTO_TCP};

	assert_int_equal(inet_pton(AF_INET6, address, e.addr.bytes), 1);
	return e;
}

struct attached_seen {
	int count, ifindex;
	char interface[IFNAMSIZ];
	enum datapath_mode mode;
};

static void see_attached(void *arg, const char *interface, int ifindex, enum datapath_mode mode)
{
	struct attached_seen *seen = arg;

	seen->count++;
	seen->ifindex = ifindex;
	seen->mode = mode;
	snprintf(seen->interface, sizeof(seen->interface), "%s", interface);
}

static struct attached_seen attached(void)
{
	struct attached_seen seen = {0};

	assert_int_equal(datapath_each_attached(dp, see_attached, &seen), 0);
	return seen;
}

static int attach(const char *interface, enum datapath_mode mode)
{
	error.text[0] = '\0';
	return datapath_attach(dp, interface, (int)if_nametoindex(interface), mode, &error);
}

/* The mode that the kernel says is attached: XDP_ATTACHED_*. */
static int kernel_mode(void)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	assert_int_equal(bpf_xdp_query((int)if_nametoindex("eth0"), 0, &opts), 0);
	return opts.attach_mode;
}

static void test_fresh(void **state)
{
	struct ids ids;

	(void)state;
	need_privilege();
	assert_false(datapath_adopted(dp));
	assert_true(datapath_tracks(dp));
	ids = read_ids();
	assert_int_equal(ids.link_count, 2);
	assert_true(ids.map_count >= 16);
	assert_true(datapath_events_fd(dp) >= 0);
}

static void test_adopt(void **state)
{
	struct lb_endpoint key = endpoint("::ffff:192.0.2.1", 80);
	struct lb_service service = {.id = 5, .pool = 6, .flags = LB_SERVICE_ACL}, found;
	struct ids before, after;

	(void)state;
	need_privilege();
	assert_int_equal(attach("eth0", DATAPATH_NATIVE), 0);
	assert_int_equal(datapath_set_service(dp, &key, &service), 0);
	before = read_ids();
	reopen();
	after = read_ids();
	assert_true(datapath_adopted(dp));
	assert_int_equal(after.map_count, before.map_count);
	assert_memory_equal(after.maps, before.maps, sizeof(before.maps));
	assert_int_equal(after.link_count, 3);
	assert_memory_equal(after.links, before.links, sizeof(before.links));
	for (int i = 0; i < 3; i++)
		assert_int_not_equal(after.programs[i], before.programs[i]);
	assert_int_equal(datapath_get_service(dp, &key, &found), 0);
	assert_memory_equal(&found, &service, sizeof(service));
	assert_int_equal(attached().count, 1);
	assert_string_equal(attached().interface, "eth0");
	assert_int_equal(attached().ifindex, if_nametoindex("eth0"));
	assert_int_equal(attached().mode, DATAPATH_NATIVE);
}

static void test_adopt_generic(void **state)
{
	(void)state;
	need_privilege();
	assert_int_equal(attach("eth0", DATAPATH_GENERIC), 0);
	reopen();
	assert_int_equal(attached().count, 1);
	assert_int_equal(attached().mode, DATAPATH_GENERIC);
}

static uint8_t port_flags(uint16_t port)
{
	uint8_t flags[LB_PORTS];
	uint32_t zero = 0;
	int fd = pin("maps", "service_ports");

	assert_int_equal(bpf_map_lookup_elem(fd, &zero, flags), 0);
	close(fd);
	return flags[port];
}

/* As an lbd leaves it that died between the two writes. */
static void clear_ports(void)
{
	uint8_t flags[LB_PORTS] = {0};
	uint32_t zero = 0;
	int fd = pin("maps", "service_ports");

	assert_int_equal(bpf_map_update_elem(fd, &zero, flags, BPF_ANY), 0);
	close(fd);
}

/* A port's flags are there as long as a listen of their kind, also across an adoption. */
static void test_ports(void **state)
{
	struct lb_endpoint a = endpoint("::ffff:192.0.2.1", 8080),
			   b = endpoint("2001:db8::1", 8080), v4 = endpoint("::ffff:0.0.0.0", 8080),
			   v6 = endpoint("::", 8080);
	struct lb_service service = {.id = 1};

	(void)state;
	need_privilege();
	assert_int_equal(port_flags(8080), 0);
	for (int opened = 0; opened < 2; opened++) {
		assert_int_equal(datapath_set_service(dp, &a, &service), 0);
		assert_int_equal(datapath_set_service(dp, &a, &service), 0);
		assert_int_equal(datapath_set_service(dp, &b, &service), 0);
		assert_int_equal(port_flags(8080), LB_PORT_ADDRESS);
		assert_int_equal(port_flags(8081), 0);
		assert_int_equal(datapath_set_service(dp, &v4, &service), 0);
		assert_int_equal(port_flags(8080), LB_PORT_ADDRESS | LB_PORT_ANY_V4);
		assert_int_equal(datapath_set_service(dp, &v6, &service), 0);
		if (!opened) {
			clear_ports();
			reopen();
		}
		assert_int_equal(port_flags(8080),
				 LB_PORT_ADDRESS | LB_PORT_ANY_V4 | LB_PORT_ANY_V6);
		assert_int_equal(datapath_set_service(dp, &a, NULL), 0);
		assert_int_equal(datapath_set_service(dp, &a, NULL), 0);
		assert_int_equal(datapath_set_service(dp, &v4, NULL), 0);
		assert_int_equal(port_flags(8080), LB_PORT_ADDRESS | LB_PORT_ANY_V6);
		assert_int_equal(datapath_set_service(dp, &b, NULL), 0);
		assert_int_equal(datapath_set_service(dp, &v6, NULL), 0);
		assert_int_equal(port_flags(8080), 0);
	}
	assert_int_equal(datapath_get_service(dp, &b, &service), -ENOENT);
}

/* --- one call on a map fails: the fail_at-th from now on; 0: none (ld --wrap, see the makefile) */

static unsigned fail_at;

static bool fails(void)
{
	return fail_at && !--fail_at;
}

#define WRAP(name, parameters, arguments)                                                          \
	int __real_##name parameters;                                                              \
	int __wrap_##name parameters;                                                              \
	int __wrap_##name parameters                                                               \
	{                                                                                          \
		return fails() ? -ENOMEM : __real_##name arguments;                                \
	}

WRAP(bpf_map_lookup_elem, (int fd, const void *key, void *value), (fd, key, value))
WRAP(bpf_map_delete_elem, (int fd, const void *key), (fd, key))
WRAP(bpf_map_update_elem, (int fd, const void *key, const void *value, __u64 flags),
     (fd, key, value, flags))

/* It says so, and done again it is done; false: it has fewer steps. */
static bool is_done_again(const struct lb_endpoint *key, const struct lb_service *value,
			  unsigned step)
{
	bool has_failed;
	int err;

	fail_at = step;
	err = datapath_set_service(dp, key, value);
	has_failed = !fail_at;
	fail_at = 0;
	assert_int_equal(err, has_failed ? -ENOMEM : 0);
	assert_int_equal(datapath_set_service(dp, key, value), 0);
	return has_failed;
}

/* What cannot be read, or removed, is not taken for what is not there: a port that is served keeps its flag. */
static void test_ports_after_failures(void **state)
{
	struct lb_endpoint a = endpoint("::ffff:192.0.2.1", 8080),
			   b = endpoint("2001:db8::1", 8080);
	struct lb_service service = {.id = 1}, other = {.id = 2}, known;
	unsigned steps = 0;

	(void)state;
	need_privilege();
	for (unsigned step = 1, more = 1; more; step++, steps++) {
		more = is_done_again(&a, &service, step);
		assert_int_equal(port_flags(8080), LB_PORT_ADDRESS);
		more |= is_done_again(&a, &other, step);
		more |= is_done_again(&b, &service, step);
		more |= is_done_again(&b, NULL, step);
		assert_int_equal(datapath_get_service(dp, &a, &known), 0);
		assert_int_equal(known.id, other.id);
		assert_int_equal(port_flags(8080), LB_PORT_ADDRESS);
		more |= is_done_again(&a, NULL, step);
		assert_int_equal(datapath_get_service(dp, &a, &known), -ENOENT);
		assert_int_equal(port_flags(8080), 0);
	}
	assert_true(steps > 2);
}

static void count_services(void *arg, const struct lb_endpoint *key,
			   const struct lb_service *service)
{
	unsigned *sum = arg;

	sum[0]++;
	sum[1] += service->id;
	/* Removal within the walk is allowed. */
	assert_int_equal(datapath_set_service(dp, key, NULL), 0);
}

static void test_each_service(void **state)
{
	unsigned sum[2] = {0};

	(void)state;
	need_privilege();
	for (uint16_t i = 0; i < 2000; i++) {
		struct lb_endpoint key = endpoint("2001:db8::", 1000 + i);

		assert_int_equal(
			datapath_set_service(dp, &key, &(struct lb_service){.id = i % 512}), 0);
	}
	assert_int_equal(datapath_each_service(dp, count_services, sum), 0);
	assert_int_equal(sum[0], 2000);
	sum[0] = 0;
	assert_int_equal(datapath_each_service(dp, count_services, sum), 0);
	assert_int_equal(sum[0], 0);
}

static void see_acl(void *arg, const struct lb_acl_key *key, int verdict)
{
	unsigned *seen = arg;

	assert_int_equal(key->service, 9);
	seen[verdict]++;
}

static void test_acl(void **state)
{
	struct lb_acl_key key = {.prefix_bits = 32 + 104, .service = 9};
	unsigned seen[2] = {0};

	(void)state;
	need_privilege();
	for (uint8_t i = 0; i < 100; i++) {
		key.addr.bytes[12] = i;
		assert_int_equal(datapath_set_acl(dp, &key, i & 1 ? LB_ACL_ALLOW : LB_ACL_DENY), 0);
	}
	assert_int_equal(datapath_set_acl(dp, &key, -1), 0);
	assert_int_equal(datapath_set_acl(dp, &key, -1), 0);
	assert_int_equal(datapath_each_acl(dp, see_acl, seen), 0);
	assert_int_equal(seen[LB_ACL_DENY], 50);
	assert_int_equal(seen[LB_ACL_ALLOW], 49);
}

/* Of the map that is in place; -ENOENT: none. */
static int ring_id(uint32_t pool)
{
	int rings = pin("maps", "rings"), err;
	uint32_t id;

	err = bpf_map_lookup_elem(rings, &pool, &id);
	close(rings);
	return err ? err : (int)id;
}

/* Entry of the ring that is in place; -1: out of the ring, -ENOENT: no ring. */
static int ring_entry(uint32_t pool, uint32_t index)
{
	int ring, err, id = ring_id(pool);
	struct lb_ring_chunk chunk;
	uint32_t key = index / LB_RING_PER_CHUNK;

	if (id < 0)
		return id;
	ring = bpf_map_get_fd_by_id((uint32_t)id);
	assert_true(ring >= 0);
	err = bpf_map_lookup_elem(ring, &key, &chunk);
	close(ring);
	return err ? -1 : chunk.backends[index % LB_RING_PER_CHUNK];
}

static void test_ring(void **state)
{
	static uint16_t ring[LB_RING_MAX + 1];
	static const uint32_t sizes[] = {1, 3, 4, 5, 251, LB_RING_MAX};

	(void)state;
	need_privilege();
	for (int i = 0; i < LB_RING_MAX; i++)
		ring[i] = (uint16_t)(i * 7 % 4096);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint32_t last = sizes[i] - 1;

		assert_int_equal(datapath_set_ring(dp, 511, ring, sizes[i]), 0);
		assert_int_equal(ring_entry(511, 0), ring[0]);
		assert_int_equal(ring_entry(511, last / 2), ring[last / 2]);
		assert_int_equal(ring_entry(511, last), ring[last]);
	}
	assert_int_equal(ring_entry(511, 2 * LB_RING_MAX), -1);
	assert_int_equal(datapath_set_ring(dp, 511, ring, LB_RING_MAX + 1), -E2BIG);
	assert_int_equal(ring_entry(511, 1), ring[1]);
	assert_int_equal(datapath_set_ring(dp, 511, NULL, 0), 0);
	assert_int_equal(datapath_set_ring(dp, 511, NULL, 0), 0);
	assert_int_equal(ring_entry(511, 0), -ENOENT);
	assert_true(datapath_set_ring(dp, LB_MAX_SERVICES, ring, 4) < 0);
}

/* One that fits is written in place, in memory that an adopting lbd does not have. */
static void test_ring_in_place(void **state)
{
	static const uint16_t few[] = {1, 2, 3}, more[] = {9, 8, 7, 6, 5};
	static uint16_t many[LB_RING_MAX];
	int id;

	(void)state;
	need_privilege();
	assert_int_equal(datapath_set_ring(dp, 510, few, 3), 0);
	id = ring_id(510);
	assert_int_equal(datapath_set_ring(dp, 510, more, 5), 0);
	assert_int_equal(ring_id(510), id);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(ring_entry(510, i), more[i]);
	assert_int_equal(datapath_set_ring(dp, 510, many, LB_RING_MAX), 0);
	assert_int_not_equal(ring_id(510), id);
	reopen();
	assert_int_equal(datapath_set_ring(dp, 510, more, 5), 0);
	assert_int_equal(ring_entry(510, 4), more[4]);
	assert_int_equal(datapath_set_ring(dp, 510, NULL, 0), 0);
}

static void see_id(void *arg, const struct lb_endpoint *key, const struct lb_backend_id *value)
{
	(void)key;
	*(unsigned *)arg += value->backend;
}

static void see_worker(void *arg, uint64_t group, const struct lb_worker *value)
{
	*(unsigned *)arg += group + value->backend;
}

static void test_backends(void **state)
{
	struct lb_backend value = {.generation = 3, .weight = 10, .max_connections = 7}, found;
	struct lb_endpoint key = endpoint("::1", 8081), other = endpoint("::1", 8082);
	unsigned sum = 0;
	struct lb_backend_id last = {.backend = 4095, .flags = LB_ID_MAKER, .maker = 7};
	struct lb_backend_id fifth = {.backend = 5}, id;
	struct lb_worker worker = {.endpoint = key, .backend = 5};

	(void)state;
	need_privilege();
	assert_int_equal(datapath_set_backend(dp, LB_MAX_BACKENDS - 1, &value), 0);
	assert_int_equal(datapath_get_backend(dp, LB_MAX_BACKENDS - 1, &found), 0);
	assert_memory_equal(&found, &value, sizeof(value));
	assert_true(datapath_set_backend(dp, LB_MAX_BACKENDS, &value) < 0);
	assert_int_equal(datapath_set_backend_id(dp, &key, &last), 0);
	assert_int_equal(datapath_set_backend_id(dp, &other, &fifth), 0);
	assert_int_equal(datapath_get_backend_id(dp, &key, &id), 0);
	assert_memory_equal(&id, &last, sizeof(id));
	assert_int_equal(datapath_each_backend_id(dp, see_id, &sum), 0);
	assert_int_equal(sum, 4100);
	assert_int_equal(datapath_set_backend_id(dp, &key, NULL), 0);
	assert_int_equal(datapath_set_backend_id(dp, &key, NULL), 0);
	assert_int_equal(datapath_get_backend_id(dp, &key, &id), -ENOENT);
	assert_int_equal(datapath_set_worker(dp, 90, &worker), 0);
	sum = 0;
	assert_int_equal(datapath_each_worker(dp, see_worker, &sum), 0);
	assert_int_equal(sum, 95);
	assert_int_equal(datapath_set_worker(dp, 90, NULL), 0);
	assert_int_equal(datapath_set_worker(dp, 90, NULL), 0);
}

static int listening(uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (void *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

/* Loopback delivers within connect(2): 0, or the errno that the SYN was answered with. */
static int try_connect(uint16_t port, int *out)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), err = 0, result;
	socklen_t length = sizeof(err);

	result = connect(fd, (void *)&to, sizeof(to)) ? errno : 0;
	if (result == EINPROGRESS && !getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) && err)
		result = err;
	if (result == EINPROGRESS && !connect(fd, (void *)&to, sizeof(to)))
		result = 0;
	if (out)
		*out = fd;
	else
		close(fd);
	return result;
}

static void test_listener(void **state)
{
	uint64_t cookie, found;
	socklen_t length = sizeof(cookie);
	int fd;

	(void)state;
	need_privilege();
	fd = listening(7101);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length), 0);
	assert_int_equal(datapath_get_listener(dp, 4095, false, &found), -ENOENT);
	assert_int_equal(datapath_set_listener(dp, 4095, 1, false, fd), 0);
	assert_int_equal(datapath_get_listener(dp, 4095, false, &found), 0);
	assert_true(found == cookie);
	assert_int_equal(datapath_get_listener(dp, 4095, true, &found), -ENOENT);
	assert_int_equal(datapath_remove_listener(dp, 4095, false), 0);
	assert_int_equal(datapath_remove_listener(dp, 4095, false), 0);
	assert_int_equal(datapath_get_listener(dp, 4095, false, &found), -ENOENT);
	/* A closed listener leaves by itself. */
	assert_int_equal(datapath_set_listener(dp, 4095, 2, false, fd), 0);
	close(fd);
	assert_int_equal(datapath_get_listener(dp, 4095, false, &found), -ENOENT);
}

/* Service 1 on 127.0.0.1:port to pool 1, of one backend with the id 3. */
static void serve(uint16_t port, uint32_t max_connections)
{
	struct lb_endpoint key = endpoint("::ffff:127.0.0.1", port);
	struct lb_backend backend = {.generation = 1,
				     .weight = 1,
				     .flags = LB_BACKEND_ENABLED,
				     .max_connections = max_connections};
	struct lb_pool pool = {.scheduler = LB_LEAST_LOAD, .count = 1, .members = {3}};

	assert_int_equal(datapath_set_backend(dp, 3, &backend), 0);
	assert_int_equal(datapath_set_pool(dp, 1, &pool), 0);
	assert_int_equal(datapath_set_service(dp, &key, &(struct lb_service){.id = 1, .pool = 1}),
			 0);
}

struct events_seen {
	unsigned opened, closed;
};

static void see_event(void *arg, const struct lb_event *event)
{
	struct events_seen *seen = arg;

	assert_int_equal(event->backend, 3);
	seen->opened += event->type == LB_LISTENER_OPENED;
	seen->closed += event->type == LB_LISTENER_CLOSED;
}

/* The whole way through the kernel: captured at listen(2), chosen, delivered, counted. */
static void test_steer_and_track(void **state)
{
	struct lb_endpoint bound = endpoint("::ffff:127.0.0.1", 7102);
	static struct lb_load loads[LB_MAX_BACKENDS];
	static struct lb_service_count counts[LB_MAX_SERVICES];
	uint64_t reasons[LB_REASON_COUNT];
	struct events_seen seen = {0};
	struct lb_backend_id third = {.backend = 3};
	int listener, client;

	(void)state;
	need_privilege();
	serve(80, 0);
	assert_int_equal(datapath_set_backend_id(dp, &bound, &third), 0);
	assert_int_equal(try_connect(80, NULL), ECONNREFUSED);
	listener = listening(7102);
	assert_int_equal(datapath_read_events(dp, see_event, &seen), 0);
	assert_int_equal(seen.opened, 1);
	assert_int_equal(try_connect(80, &client), 0);
	assert_int_equal(datapath_read_loads(dp, loads), 0);
	assert_int_equal(loads[3].active, 1);
	assert_int_equal(loads[3].total, 1);
	assert_int_equal(datapath_read_service_counts(dp, counts), 0);
	assert_int_equal(counts[1].connections, 1);
	assert_int_equal(counts[1].refused, 1);
	assert_int_equal(counts[0].connections, 0);
	assert_int_equal(datapath_read_reasons(dp, reasons), 0);
	assert_int_equal(reasons[LB_STEER_CHOSEN], 1);
	assert_int_equal(reasons[LB_STEER_NO_BACKEND], 1);
	assert_int_equal(datapath_clear_load(dp, 3), 0);
	assert_int_equal(datapath_read_loads(dp, loads), 0);
	assert_int_equal(loads[3].total, 0);
	close(client);
	close(listener);
	assert_int_equal(datapath_read_events(dp, see_event, &seen), 0);
	assert_int_equal(seen.closed, 1);
}

/* A full pool: in silence, also after an adoption; a client that is answered would see an error. */
static void test_sink(void **state)
{
	uint64_t reasons[LB_REASON_COUNT];
	int listener, client;

	(void)state;
	need_privilege();
	serve(80, 1);
	listener = listening(7103);
	assert_int_equal(datapath_set_listener(dp, 3, 1, false, listener), 0);
	assert_int_equal(try_connect(80, &client), 0);
	assert_int_equal(try_connect(80, NULL), EINPROGRESS);
	reopen();
	assert_int_equal(try_connect(80, NULL), EINPROGRESS);
	assert_int_equal(datapath_read_reasons(dp, reasons), 0);
	assert_int_equal(reasons[LB_STEER_MAX_CONNECTIONS], 2);
	close(client);
	close(listener);
}

/* On every address of both families. */
static void bind_all(uint16_t port)
{
	struct sockaddr_in6 all = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (bind(fd, (void *)&all, sizeof(all)))
		fail_msg("port %u: %s", port, strerror(errno));
	close(fd);
}

/* Whatever port another program wants, also where there are but two to choose from. */
static void test_sink_has_no_port(void **state)
{
	(void)state;
	need_privilege();
	run("sysctl -qw net.ipv4.ip_local_port_range='7110 7111'");
	reopen();
	bind_all(7110);
	bind_all(7111);
	run("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'");
}

static void test_attach(void **state)
{
	static const struct {
		enum datapath_mode mode;
		int kernel_mode;
	} rows[] = {{DATAPATH_NATIVE, XDP_ATTACHED_DRV},
		    {DATAPATH_GENERIC, XDP_ATTACHED_SKB},
		    {DATAPATH_NATIVE, XDP_ATTACHED_DRV}};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(attach("eth0", rows[i].mode), 0);
		assert_int_equal(attach("eth0", rows[i].mode), 0);
		assert_int_equal(kernel_mode(), rows[i].kernel_mode);
		assert_int_equal(attached().count, 1);
		assert_true(is_pinned("ingress_eth0"));
	}
	assert_int_equal(datapath_detach(dp, "eth0"), 0);
	assert_int_equal(datapath_detach(dp, "eth0"), -ENOENT);
	assert_int_equal(kernel_mode(), XDP_ATTACHED_NONE);
	assert_false(is_pinned("ingress_eth0"));
	assert_int_equal(attached().count, 0);
}

/* bpffs has no dots in names; they come back as they were. */
static void test_attach_dotted(void **state)
{
	(void)state;
	need_privilege();
	run("ip link set eth0 down && ip link set eth0 name a.b.5");
	assert_int_equal(attach("a.b.5", DATAPATH_NATIVE), 0);
	reopen();
	assert_string_equal(attached().interface, "a.b.5");
	assert_int_equal(datapath_detach(dp, "a.b.5"), 0);
	run("ip link set a.b.5 name eth0");
}

static void test_attach_nowhere(void **state)
{
	(void)state;
	need_privilege();
	assert_int_equal(datapath_attach(dp, "eth9", 9999, DATAPATH_NATIVE, &error), -ENODEV);
	assert_int_equal(attach("lo", DATAPATH_NATIVE), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "the driver has none"));
	assert_int_equal(attach("lo", DATAPATH_GENERIC), 0);
}

static void test_vanished(void **state)
{
	(void)state;
	need_privilege();
	assert_int_equal(attach("eth0", DATAPATH_NATIVE), 0);
	run("ip link del eth0");
	assert_int_equal(datapath_detach(dp, "eth0"), 0);
	assert_false(is_pinned("ingress_eth0"));
	/* Vanished while no lbd was there; returned with the same name. */
	run("ip link add eth0 type veth peer name peer0");
	assert_int_equal(attach("eth0", DATAPATH_NATIVE), 0);
	datapath_close(dp);
	run("ip link del eth0 && ip link add eth0 type veth peer name peer0");
	assert_int_equal(datapath_open("t", &dp, &error), 0);
	assert_int_equal(attached().count, 0);
	assert_false(is_pinned("ingress_eth0"));
	assert_int_equal(attach("eth0", DATAPATH_NATIVE), 0);
	assert_int_equal(kernel_mode(), XDP_ATTACHED_DRV);
}

/* A program of somebody else's, "passer", that does nothing. */
static int foreign_program(void)
{
	struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "passer", "GPL", pass, 2, NULL);

	assert_true(fd >= 0);
	return fd;
}

static void test_foreign(void **state)
{
	static const struct {
		const char *name;
		uint32_t flags;
		bool by_link;
		const char *says;
	} rows[] = {
		{"native", XDP_FLAGS_DRV_MODE, false, "`ip link set dev eth0 xdp off`"},
		{"generic", XDP_FLAGS_SKB_MODE, false, "`ip link set dev eth0 xdpgeneric off`"},
		{"native", XDP_FLAGS_DRV_MODE, true, "its owner must end it"},
		{"generic", XDP_FLAGS_SKB_MODE, true, "its owner must end it"},
	};

	(void)state;
	need_privilege();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = rows[i].flags);
		int ifindex = (int)if_nametoindex("eth0"), program = foreign_program(), link = -1;

		if (rows[i].by_link)
			link = bpf_link_create(program, ifindex, BPF_XDP, &opts);
		else
			assert_int_equal(bpf_xdp_attach(ifindex, program, rows[i].flags, NULL), 0);
		for (int mode = DATAPATH_NATIVE; mode <= DATAPATH_GENERIC; mode++) {
			assert_int_equal(attach("eth0", mode), -EBUSY);
			assert_ptr_equal(strstr(error.text, rows[i].name), error.text);
			assert_non_null(strstr(error.text, "\"passer\""));
			assert_non_null(strstr(error.text, rows[i].says));
		}
		assert_int_equal(attached().count, 0);
		if (rows[i].by_link)
			assert_int_equal(bpf_link_detach(link), 0);
		else
			assert_int_equal(bpf_xdp_detach(ifindex, rows[i].flags, NULL), 0);
		assert_int_equal(attach("eth0", DATAPATH_NATIVE), 0);
		assert_int_equal(datapath_detach(dp, "eth0"), 0);
		if (link >= 0)
			close(link);
		close(program);
	}
}

static void write_version(uint32_t version)
{
	struct lb_meta meta = {.abi_version = version};
	uint32_t key = 0;
	int fd = pin("maps", "meta");

	assert_int_equal(bpf_map_update_elem(fd, &key, &meta, BPF_ANY), 0);
	close(fd);
}

static void test_abi_mismatch(void **state)
{
	struct datapath *second = NULL;
	struct ids before, after;

	(void)state;
	need_privilege();
	write_version(LB_ABI_VERSION + 1);
	before = read_ids();
	assert_int_equal(datapath_open("t", &second, &error), -EPROTO);
	assert_null(second);
	assert_non_null(strstr(error.text, "`rm -r " ROOT "`"));
	after = read_ids();
	assert_memory_equal(&after, &before, sizeof(before));
}

/* A start that did not come to its end has left version 0. */
static void test_unfinished(void **state)
{
	struct ids before, after;

	(void)state;
	need_privilege();
	before = read_ids();
	write_version(0);
	reopen();
	assert_false(datapath_adopted(dp));
	after = read_ids();
	assert_int_equal(after.map_count, before.map_count);
	assert_memory_not_equal(after.maps, before.maps, sizeof(before.maps));
}

static struct lb_seed read_seed(void)
{
	struct lb_seed seed;
	uint32_t key = 0;
	int fd = pin("maps", "seeds");

	assert_int_equal(bpf_map_lookup_elem(fd, &key, &seed), 0);
	close(fd);
	return seed;
}

/* A random seed is there from the start, and the same one for the next lbd. */
static void test_drawn_seed(void **state)
{
	struct lb_seed first, now;

	(void)state;
	need_privilege();
	first = read_seed();
	assert_int_equal(first.origin, LB_SEED_DRAWN);
	assert_true(first.key[0] && first.key[1]);
	reopen();
	assert_int_equal(datapath_set_seed(dp, NULL), 0);
	now = read_seed();
	assert_memory_equal(&now, &first, sizeof(now));
	datapath_destroy(dp);
	if (datapath_open("t", &dp, &error))
		fail_msg("%s", error.text);
	now = read_seed();
	assert_memory_not_equal(&now, &first, sizeof(now));
}

/* A configured one is taken as it is, and given up when the configuration says so no more. */
static void test_configured_seed(void **state)
{
	static const uint8_t bytes[16] = "0123456789abcdef";
	struct lb_seed now;

	(void)state;
	need_privilege();
	assert_int_equal(datapath_set_seed(dp, bytes), 0);
	reopen();
	now = read_seed();
	assert_int_equal(now.origin, LB_SEED_CONFIGURED);
	assert_memory_equal(now.key, bytes, sizeof(bytes));
	assert_int_equal(datapath_set_seed(dp, NULL), 0);
	now = read_seed();
	assert_int_equal(now.origin, LB_SEED_DRAWN);
	assert_memory_not_equal(now.key, bytes, sizeof(bytes));
}

/* A map that is not as this lbd has it, of the same version. */
static void test_other_map(void **state)
{
	struct datapath *second = NULL;
	int fd;

	(void)state;
	need_privilege();
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "pools", 4, 16, 4, NULL);
	assert_int_equal(unlink(ROOT "/maps/pools"), 0);
	assert_int_equal(bpf_obj_pin(fd, ROOT "/maps/pools"), 0);
	close(fd);
	assert_true(datapath_open("t", &second, &error) < 0);
	assert_non_null(strstr(error.text, "pools"));
	assert_non_null(strstr(error.text, "`rm -r " ROOT "`"));
}

struct outcome {
	int err;
	bool tracks;
	struct error error;
};

/* What opening comes to in surroundings that a process of its own prepares. */
static struct outcome open_elsewhere(int (*prepare)(void), const char *instance)
{
	struct outcome outcome = {0};
	struct datapath *other = NULL;
	int channel[2];
	pid_t pid;

	assert_int_equal(pipe(channel), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS) || prepare())
			_exit(1);
		outcome.err = datapath_open(instance, &other, &outcome.error);
		outcome.tracks = other && datapath_tracks(other);
		datapath_destroy(other);
		_exit(write(channel[1], &outcome, sizeof(outcome)) < 0);
	}
	close(channel[1]);
	assert_int_equal(read(channel[0], &outcome, sizeof(outcome)), sizeof(outcome));
	close(channel[0]);
	waitpid(pid, NULL, 0);
	return outcome;
}

static int as_nobody(void)
{
	return setgid(65534) || setuid(65534);
}

static int without_capabilities_but_root_files(void)
{
	/* bpffs is nobody's to write, but may be read: what fails then is loading. */
	return umount("/sys/fs/bpf") || mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=01777") ||
	       as_nobody();
}

static int without_btf(void)
{
	return mount("none", "/sys/kernel/btf", "tmpfs", 0, NULL);
}

static int without_bpffs(void)
{
	return umount("/sys/fs/bpf");
}

static int without_cgroup(void)
{
	/* A directory of the name alone is not taken for it. */
	return mount("none", "/sys/fs/cgroup", "tmpfs", 0, NULL) ||
	       mkdir("/sys/fs/cgroup/unified", 0755);
}

static int other_netns(void)
{
	return unshare(CLONE_NEWNET);
}

static int nothing(void)
{
	return 0;
}

static void test_surroundings(void **state)
{
	static const struct {
		const char *name, *instance;
		int (*prepare)(void);
		int err;
		bool tracks;
		const char *says;
	} rows[] = {
		{"nobody", "u", as_nobody, -EACCES, false, "must run as root"},
		{"no capability", "u", without_capabilities_but_root_files, -EPERM, false,
		 "must run as root"},
		{"no BTF", "u", without_btf, -ENOENT, false, "CONFIG_DEBUG_INFO_BTF"},
		{"no bpffs", "u", without_bpffs, 0, true, NULL},
		{"no cgroup v2", "u", without_cgroup, 0, false, NULL},
		{"another namespace", "u", other_netns, 0, true, NULL},
		{"another's instance", "t", other_netns, -EEXIST, false, "`lbd -n NAME`"},
		{"dotted", "a.b", nothing, -EINVAL, false, "letters, digits"},
		{"no name", "", nothing, -EINVAL, false, "letters, digits"},
		{"outside", "../x", nothing, -EINVAL, false, "letters, digits"},
	};
	struct ids before, after;

	(void)state;
	need_privilege();
	before = read_ids();
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct outcome outcome = open_elsewhere(rows[i].prepare, rows[i].instance);

		print_message("%s: %s\n", rows[i].name, outcome.error.text);
		assert_int_equal(outcome.err, rows[i].err);
		assert_int_equal(outcome.tracks, rows[i].tracks);
		if (rows[i].says)
			assert_non_null(strstr(outcome.error.text, rows[i].says));
		assert_int_equal(access("/sys/fs/bpf/lbd/u", F_OK), -1);
	}
	after = read_ids();
	assert_memory_equal(&after, &before, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopt_generic, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ports_after_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_service, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(test_steer_and_track, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sink_has_no_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach_dotted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vanished, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abi_mismatch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unfinished, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drawn_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configured_seed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_surroundings, setup, teardown),
	};

	own_netns_enter();
	return cmocka_run_group_tests_name("datapath", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ingress costs a packet: nanoseconds above an empty XDP program in the same harness, which is one
 * BPF_PROG_TEST_RUN per packet and the kernel's run-time statistics.  Each round measures the empty
 * program and every case; printed is the median over rounds of the differences within a round, and their
 * lowest decile, `quiet`: where the machine had other things to do the two differ.  Last the same packet in
 * a loop inside the kernel, with everything in the caches.  Machines differ by more than programs do: the
 * rows of two reference programs (see reference.h), measured in the same rounds, are what to divide by.
 *
 * Usage: xdp_cost [ROUNDS]
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lb.skel.h"
#include "lb/abi.h"
#include "reference.h"

enum {
	PACKETS = 250, /* per case and round: too short for most interruptions */
	MANY_FLOWS = 100000,
	MAX_ROUNDS = 4001,
	QUIET = 10, /* percent */
	CHUNKS = (LB_RING_MAX + LB_RING_PER_CHUNK - 1) / LB_RING_PER_CHUNK,
	/* Ports of the services; the pool has the same number. */
	NONE = 9,
	OTHER_ADDRESS = 79,
	LEAST_4 = 80,
	MAGLEV_4,
	ROUND_ROBIN_4,
	RANDOM_4,
	SOURCE_HASH_4,
	LEAST_16,
	LEAST_64,
	LEAST_4096,
	MAGLEV_64,
	MAGLEV_4096,
	RULES,
	EXACT,
};

struct pool {
	uint16_t port;
	uint32_t scheduler, backends;
};

static const struct pool pools[] = {
	{LEAST_4, LB_LEAST_LOAD, 4},        {MAGLEV_4, LB_MAGLEV, 4},
	{ROUND_ROBIN_4, LB_ROUND_ROBIN, 4}, {RANDOM_4, LB_RANDOM, 4},
	{SOURCE_HASH_4, LB_SOURCE_HASH, 4}, {LEAST_16, LB_LEAST_LOAD, 16},
	{LEAST_64, LB_LEAST_LOAD, 64},      {LEAST_4096, LB_LEAST_LOAD, LB_MAX_BACKENDS},
	{MAGLEV_64, LB_MAGLEV, 64},         {MAGLEV_4096, LB_MAGLEV, LB_MAX_BACKENDS},
	{RULES, LB_LEAST_LOAD, 4},          {OTHER_ADDRESS, LB_LEAST_LOAD, 4},
	{EXACT, LB_LEAST_LOAD, 4},
};

enum program { INGRESS, HASH, LRU, PROGRAMS };

struct cost_case {
	const char *name;
	bool is_v6, is_syn;
	uint16_t port;
	uint32_t flows;
	enum program program; /* which one it is put to */
};

static const struct cost_case cases[] = {
	{"reference: hash look-up", false, true, LEAST_4, MANY_FLOWS, HASH},
	{"reference: LRU look-up and insert", false, true, LEAST_4, MANY_FLOWS, LRU},
	{"no service", false, true, NONE, 1, INGRESS},
	{"no service", false, true, NONE, MANY_FLOWS, INGRESS},
	{"no service, v6", true, true, NONE, MANY_FLOWS, INGRESS},
	{"no service at the address, only at the port", false, false, OTHER_ADDRESS, MANY_FLOWS,
	 INGRESS},
	{"established", false, false, LEAST_4, 1, INGRESS},
	{"established", false, false, LEAST_4, MANY_FLOWS, INGRESS},
	{"established, v6", true, false, LEAST_4, MANY_FLOWS, INGRESS},
	{"established, service on one address", false, false, EXACT, MANY_FLOWS, INGRESS},
	{"SYN least_load 4", false, true, LEAST_4, 1, INGRESS},
	{"SYN least_load 4", false, true, LEAST_4, MANY_FLOWS, INGRESS},
	{"SYN least_load 4, v6", true, true, LEAST_4, MANY_FLOWS, INGRESS},
	{"SYN least_load 4, access rules", false, true, RULES, MANY_FLOWS, INGRESS},
	{"SYN maglev 4", false, true, MAGLEV_4, 1, INGRESS},
	{"SYN round_robin 4", false, true, ROUND_ROBIN_4, 1, INGRESS},
	{"SYN random 4", false, true, RANDOM_4, 1, INGRESS},
	{"SYN least_load 16", false, true, LEAST_16, 1, INGRESS},
	{"SYN maglev 4", false, true, MAGLEV_4, MANY_FLOWS, INGRESS},
	{"SYN round_robin 4", false, true, ROUND_ROBIN_4, MANY_FLOWS, INGRESS},
	{"SYN random 4", false, true, RANDOM_4, MANY_FLOWS, INGRESS},
	{"SYN source_hash 4", false, true, SOURCE_HASH_4, MANY_FLOWS, INGRESS},
	{"SYN least_load 16", false, true, LEAST_16, MANY_FLOWS, INGRESS},
	{"SYN least_load 64", false, true, LEAST_64, MANY_FLOWS, INGRESS},
	{"SYN least_load 4096", false, true, LEAST_4096, MANY_FLOWS, INGRESS},
	{"SYN maglev 64", false, true, MAGLEV_64, MANY_FLOWS, INGRESS},
	{"SYN maglev 4096", false, true, MAGLEV_4096, MANY_FLOWS, INGRESS},
};

enum { CASES = sizeof(cases) / sizeof(cases[0]) };

struct packet {
	uint8_t bytes[128];
	size_t length;
	uint8_t *client; /* last 4 bytes of its address */
	struct tcphdr *tcp;
};

static struct lb *lb;

static void set(const struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		err(1, "map %s", bpf_map__name(map));
}

/* 192.0.2.1, or 2001:db8::1 */
static struct lb_addr service_address(bool is_v6)
{
	struct lb_addr addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1}};

	if (is_v6)
		addr = (struct lb_addr){.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};
	return addr;
}

static struct iphdr *build_ip(struct packet *p, bool is_v6)
{
	struct lb_addr service = service_address(is_v6);
	struct iphdr *v4 = (void *)(p->bytes + ETH_HLEN);
	struct ipv6hdr *v6 = (void *)v4;

	((struct ethhdr *)p->bytes)->h_proto = htons(is_v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (is_v6) {
		v6->version = 6;
		v6->payload_len = htons(sizeof(struct tcphdr));
		v6->nexthdr = IPPROTO_TCP;
		memcpy(&v6->daddr, &service, sizeof(service));
		v6->saddr.s6_addr[0] = 0x20;
		p->client = v6->saddr.s6_addr + 12;
		p->tcp = (struct tcphdr *)(v6 + 1);
	} else {
		v4->version = 4;
		v4->ihl = 5;
		v4->tot_len = htons(sizeof(*v4) + sizeof(struct tcphdr));
		v4->protocol = IPPROTO_TCP;
		memcpy(&v4->daddr, &service.words[3], sizeof(v4->daddr));
		p->client = (uint8_t *)&v4->saddr;
		p->tcp = (struct tcphdr *)(v4 + 1);
	}
	return v4;
}

static void build(struct packet *p, const struct cost_case *c)
{
	memset(p, 0, sizeof(*p));
	build_ip(p, c->is_v6);
	p->tcp->dest = htons(c->port);
	p->tcp->doff = sizeof(struct tcphdr) / 4;
	p->tcp->syn = c->is_syn;
	p->tcp->ack = !c->is_syn;
	p->length = (uint8_t *)(p->tcp + 1) - p->bytes;
}

/* Flow number i: another client, and another port of it. */
static void set_flow(struct packet *p, uint32_t i)
{
	uint32_t client = htonl(0x0a000000 + i / 64);

	memcpy(p->client, &client, sizeof(client));
	p->tcp->source = htons(1024 + i % 64 * 997 + i % 61);
}

static struct bpf_prog_info read_info(int program)
{
	struct bpf_prog_info info = {0};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(program, &info, &length))
		err(1, "program information");
	return info;
}

static double measure(int program, const struct cost_case *c)
{
	static uint32_t next;
	struct bpf_prog_info before, after;
	struct packet p;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 1);

	build(&p, c);
	opts.data_in = p.bytes;
	opts.data_size_in = p.length;
	before = read_info(program);
	for (uint32_t i = 0; i < PACKETS; i++) {
		set_flow(&p, c->flows == 1 ? 0 : next++ % c->flows);
		if (bpf_prog_test_run_opts(program, &opts))
			err(1, "test run");
	}
	after = read_info(program);
	return (double)(after.run_time_ns - before.run_time_ns) / (after.run_cnt - before.run_cnt);
}

/* One system call, whole nanoseconds. */
static double measure_loop(int program, const struct cost_case *c)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .repeat = 4 * PACKETS);
	struct packet p;

	build(&p, c);
	set_flow(&p, 0);
	opts.data_in = p.bytes;
	opts.data_size_in = p.length;
	if (bpf_prog_test_run_opts(program, &opts))
		err(1, "test run");
	return opts.duration;
}

static int load_empty(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "empty", "GPL", pass, 2, NULL);

	if (fd < 0)
		err(1, "empty program");
	return fd;
}

static void add_listener(uint32_t id, bool is_v6)
{
	struct sockaddr_in6 sa = {.sin6_family = is_v6 ? AF_INET6 : AF_INET};
	struct lb_backend backend = {.weight = 1, .flags = LB_BACKEND_ENABLED};
	int fd = socket(sa.sin6_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t slot = LB_LISTENER(id, is_v6);
	uint64_t value = fd;

	/* Bound to any address and port 0 in either family's form. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 16))
		err(1, "listener %u", id);
	set(lb->maps.listeners, &slot, &value);
	set(lb->maps.backends, &id, &backend);
}

static void set_ring(uint32_t pool, uint32_t backends)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "ring", 4, sizeof(struct lb_ring_chunk), CHUNKS,
				&opts);

	if (fd < 0)
		err(1, "ring");
	for (uint32_t i = 0; i < CHUNKS; i++) {
		struct lb_ring_chunk chunk;

		for (uint32_t j = 0; j < LB_RING_PER_CHUNK; j++)
			chunk.backends[j] = (i * LB_RING_PER_CHUNK + j) % backends;
		if (bpf_map_update_elem(fd, &i, &chunk, BPF_ANY))
			err(1, "ring");
	}
	set(lb->maps.rings, &pool, &fd);
	close(fd);
}

/* On the address that the packets are for, or on another: then its port is all that they share. */
static void add_service(const struct pool *pool, bool is_v6)
{
	struct lb_endpoint key = {.addr = service_address(is_v6),
				  .port = htons(pool->port),
				  .protocol = IPPROTO_TCP};
	struct lb_service service = {.id = pool->port,
				     .pool = pool->port,
				     .flags = pool->port == RULES ? LB_SERVICE_ACL : 0};

	if (pool->port == OTHER_ADDRESS)
		key.addr.bytes[15] = 99;
	else if (pool->port == EXACT)
		;
	else if (!is_v6)
		key.addr.words[3] = 0; /* any */
	else
		memset(&key.addr, 0, sizeof(key.addr));
	set(lb->maps.services, &key, &service);
}

static void add_pool(const struct pool *pool)
{
	struct lb_pool value = {.scheduler = pool->scheduler,
				.count = pool->backends,
				.ring_entries = LB_RING_MAX};
	uint32_t key = pool->port;

	for (uint16_t i = 0; i < LB_POOL_MEMBERS; i++)
		value.members[i] = i;
	set_ring(pool->port, pool->backends);
	set(lb->maps.pools, &key, &value);
	add_service(pool, false);
	add_service(pool, true);
}

static void add_rules(void)
{
	struct lb_acl_key key = {.service = RULES};
	uint8_t allow = LB_ACL_ALLOW;

	for (uint8_t bits = 96; bits <= 128; bits += 8) {
		key.prefix_bits = 32 + bits;
		key.addr = (struct lb_addr){.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}};
		set(lb->maps.acl, &key, &allow);
	}
}

/* As a host with one address of each family and a loopback has them. */
static void add_own(void)
{
	struct lb_local_key keys[] = {
		{128, service_address(false)},
		{128, service_address(true)},
		{96 + 8, {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127}}},
		{128, {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}},
		{128, {.bytes = {[15] = 1}}},
		{128, {.bytes = {0xfe, 0x80, [15] = 1}}},
	};
	struct lb_locals_at_hand at_hand = {{{service_address(false)}, {service_address(true)}}};
	uint32_t zero = 0;
	uint8_t value = 1;

	set(lb->maps.locals_at_hand, &zero, &at_hand);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		set(lb->maps.locals, &keys[i], &value);
}

static void add_ports(void)
{
	uint8_t flags[LB_PORTS] = {0};
	uint32_t zero = 0;

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		flags[pools[i].port] = pools[i].port == OTHER_ADDRESS || pools[i].port == EXACT
					       ? LB_PORT_ADDRESS
					       : LB_PORT_ANY_V4 | LB_PORT_ANY_V6;
	set(lb->maps.service_ports, &zero, flags);
}

static void set_up(void)
{
	struct rlimit files = {8192 + 256, 8192 + 256};
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	cpu_set_t cpu;

	if (unshare(CLONE_NEWNET))
		err(77, "skipped: no network namespace of its own");
	ioctl(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), SIOCSIFFLAGS, &lo);
	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "RLIMIT_NOFILE");
	CPU_ZERO(&cpu);
	CPU_SET(sched_getcpu(), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	lb = lb__open_and_load();
	if (!lb)
		err(77, "skipped: cannot load the programs");
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		err(1, "run-time statistics");
	for (uint32_t id = 0; id < LB_MAX_BACKENDS; id++)
		add_listener(id, false);
	for (uint32_t id = 0; id < LB_POOL_MEMBERS; id++)
		add_listener(id, true);
	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		add_pool(&pools[i]);
	add_rules();
	add_own();
	add_ports();
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double quantile(double *values, int count, int percent)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[count * percent / 100];
}

static double costs[CASES][MAX_ROUNDS], loops[CASES][MAX_ROUNDS], empty[MAX_ROUNDS];

static void run_round(int round, int nothing, const int programs[PROGRAMS])
{
	double loop = measure_loop(nothing, &cases[0]);

	empty[round] = measure(nothing, &cases[0]);
	for (int i = 0; i < CASES; i++) {
		int program = programs[cases[i].program];

		costs[i][round] = measure(program, &cases[i]) - empty[round];
		loops[i][round] = measure_loop(program, &cases[i]) - loop;
	}
}

static void print(int rounds)
{
	printf("%-45s %8s %14s %8s\n", "case", "flows", "ns above empty", "quiet");
	for (int i = 0; i < CASES; i++)
		printf("%-45s %8u %14.1f %8.1f\n", cases[i].name, cases[i].flows,
		       quantile(costs[i], rounds, 50), quantile(costs[i], rounds, QUIET));
	printf("empty program: %.1f ns, quiet %.1f ns; %d rounds of %d packets\n",
	       quantile(empty, rounds, 50), quantile(empty, rounds, QUIET), rounds, PACKETS);
	printf("in a loop in the kernel:\n");
	for (int i = 0; i < CASES; i++)
		if (i + 1 == CASES || strcmp(cases[i].name, cases[i + 1].name))
			printf("  %-43s %8d %14.0f\n", cases[i].name, 1,
			       quantile(loops[i], rounds, 50));
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 401, nothing, programs[PROGRAMS];

	if (rounds < 1 || rounds > MAX_ROUNDS)
		errx(2, "rounds: 1 to %d, not %s", MAX_ROUNDS, argv[1]);
	set_up();
	nothing = load_empty();
	programs[INGRESS] = bpf_program__fd(lb->progs.ingress);
	programs[HASH] = reference_hash(service_address(false).words[3], htons(LEAST_4));
	programs[LRU] = reference_lru();
	for (int round = 0; round < rounds; round++)
		run_round(round, nothing, programs);
	print(rounds);
	lb__destroy(lb);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two XDP programs to measure others by: they cost more where everything does.  `hash` looks up the
 * packet's destination in a hash table of one entry, as finding a service costs.  `lru` looks its flow up in
 * an LRU hash of 65536 and inserts it where it is missing, as a flow table costs a new connection.  Their
 * keys are of IPv4 alone.
 */
#ifndef BENCH_REFERENCE_H
#define BENCH_REFERENCE_H

#include <bpf/bpf.h>
#include <err.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdint.h>

enum {
	REFERENCE_FLOWS = 65536,
	REFERENCE_IP = ETH_HLEN,
	REFERENCE_TCP = REFERENCE_IP + sizeof(struct iphdr),
	REFERENCE_END = REFERENCE_TCP + sizeof(struct tcphdr),
};

/* As it lies on the program's stack. */
struct reference_key {
	uint32_t client, service;
	uint32_t ports;
	uint32_t pad;
};

#define INSN(c, d, s, o, i)                                                                        \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define LOAD(size, d, s, o)  INSN(BPF_LDX | (size) | BPF_MEM, d, s, o, 0)
#define STORE(size, d, o, s) INSN(BPF_STX | (size) | BPF_MEM, d, s, o, 0)
#define MOVE(d, s)           INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, i)            INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define SET(d, i)            INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MAP(d, fd)           INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd), INSN(0, 0, 0, 0, 0)
#define CALL(f)              INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define KEY                  (-(int)sizeof(struct reference_key))
#define FROM_KEY(field)      (KEY + (int)offsetof(struct reference_key, field))

/* r6: the frame.  Frames that are too short jump over what follows, to `exit`. */
#define REFERENCE_START(insns_left)                                                                \
	LOAD(BPF_W, BPF_REG_6, BPF_REG_1, offsetof(struct xdp_md, data)),                          \
		LOAD(BPF_W, BPF_REG_7, BPF_REG_1, offsetof(struct xdp_md, data_end)),              \
		MOVE(BPF_REG_2, BPF_REG_6), ADD(BPF_REG_2, REFERENCE_END),                         \
		INSN(BPF_JMP | BPF_JGT | BPF_X, BPF_REG_2, BPF_REG_7, insns_left, 0)
#define REFERENCE_EXIT SET(BPF_REG_0, XDP_PASS), INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define REFERENCE_ARGUMENTS(map)                                                                   \
	MAP(BPF_REG_1, map), MOVE(BPF_REG_2, BPF_REG_10), ADD(BPF_REG_2, KEY)

static int reference_load(const char *name, const struct bpf_insn *insns, size_t count)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, name, "GPL", insns, count, NULL);

	if (fd < 0)
		err(1, "reference program %s", name);
	return fd;
}

static int reference_map(enum bpf_map_type type, uint32_t entries)
{
	int fd = bpf_map_create(type, "reference", sizeof(struct reference_key), 8, entries, NULL);

	if (fd < 0)
		err(1, "reference map");
	return fd;
}

/* service: IPv4, and port in network order, that are found. */
static inline int reference_hash(uint32_t service, uint16_t port)
{
	struct reference_key key = {.service = service, .ports = port};
	int map = reference_map(BPF_MAP_TYPE_HASH, 4096);
	uint64_t value = 0;
	const struct bpf_insn insns[] = {
		REFERENCE_START(12),
		LOAD(BPF_W, BPF_REG_3, BPF_REG_6, REFERENCE_IP + offsetof(struct iphdr, daddr)),
		LOAD(BPF_H, BPF_REG_4, BPF_REG_6, REFERENCE_TCP + offsetof(struct tcphdr, dest)),
		SET(BPF_REG_5, 0),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(client), BPF_REG_5),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(service), BPF_REG_3),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(ports), BPF_REG_4),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(pad), BPF_REG_5),
		REFERENCE_ARGUMENTS(map),
		CALL(BPF_FUNC_map_lookup_elem),
		REFERENCE_EXIT,
	};

	if (bpf_map_update_elem(map, &key, &value, BPF_ANY))
		err(1, "reference map");
	return reference_load("hash", insns, sizeof(insns) / sizeof(insns[0]));
}

static inline int reference_lru(void)
{
	int map = reference_map(BPF_MAP_TYPE_LRU_HASH, REFERENCE_FLOWS);
	const struct bpf_insn insns[] = {
		REFERENCE_START(22),
		LOAD(BPF_W, BPF_REG_3, BPF_REG_6, REFERENCE_IP + offsetof(struct iphdr, saddr)),
		LOAD(BPF_W, BPF_REG_4, BPF_REG_6, REFERENCE_IP + offsetof(struct iphdr, daddr)),
		LOAD(BPF_W, BPF_REG_5, BPF_REG_6, REFERENCE_TCP), /* both ports */
		STORE(BPF_W, BPF_REG_10, FROM_KEY(client), BPF_REG_3),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(service), BPF_REG_4),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(ports), BPF_REG_5),
		SET(BPF_REG_5, 0),
		STORE(BPF_W, BPF_REG_10, FROM_KEY(pad), BPF_REG_5),
		REFERENCE_ARGUMENTS(map),
		CALL(BPF_FUNC_map_lookup_elem),
		INSN(BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 8, 0),
		REFERENCE_ARGUMENTS(map),
		MOVE(BPF_REG_3, BPF_REG_10),
		ADD(BPF_REG_3, KEY), /* a value as good as any */
		SET(BPF_REG_4, BPF_ANY),
		CALL(BPF_FUNC_map_update_elem),
		REFERENCE_EXIT,
	};

	return reference_load("lru", insns, sizeof(insns) / sizeof(insns[0]));
}

#endif

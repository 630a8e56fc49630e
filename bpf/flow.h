/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the programs know of a packet, and the hash that they share: ingress hands its choice over at
 * the place that steer computes again from the same addresses.
 */
#ifndef LB_FLOW_H
#define LB_FLOW_H

#include <stdbool.h>

#include "lb/abi.h"

struct flow {
	struct lb_addr client;
	struct lb_addr service;
	__be16 client_port;
	__be16 service_port;
	bool is_v6;
	bool is_first; /* a plain SYN */
};

static __always_inline __u64 flow_mix(__u64 x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 29;
	x *= 0x9fb21c651e98df25ULL;
	return x ^ x >> 32;
}

/* Of IPv4 all that varies is in the last word: keep it low, where a product spreads it upwards. */
static __always_inline __u64 flow_fold_addr(const struct lb_addr *addr, __u64 k1, __u64 k2)
{
	__u64 high = (__u64)addr->words[0] << 32 | addr->words[1];
	__u64 low = (__u64)addr->words[2] << 32 | addr->words[3];

	return high * k1 + low * k2;
}

/* Of the client's address alone; flow_mix() makes it the hash of source_hash. */
static __always_inline __u64 flow_fold_client(const struct flow *flow, __u64 seed)
{
	return seed + flow_fold_addr(&flow->client, 0x8ebc6af09c88c6e3ULL, 0xe7037ed1a0b428dbULL);
}

/* Products that do not wait for each other, mixed once. */
static __always_inline __u64 flow_hash(const struct flow *flow, __u64 seed)
{
	__u64 ports = (__u64)flow->client_port << 16 | flow->service_port;
	__u64 sum = flow_fold_client(flow, seed) + ports * 0xc2b2ae3d27d4eb4fULL;

	sum += flow_fold_addr(&flow->service, 0x589965cc75374cc3ULL, 0x1d8e4e27c47d124fULL);
	return flow_mix(sum);
}

#endif

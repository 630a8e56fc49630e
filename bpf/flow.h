/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What the programs know of a packet, and the hash that they share: ingress hands its choice over at
 * the place that steer computes again from the same addresses.
 */
#ifndef LB_FLOW_H
#define LB_FLOW_H

#include <stdbool.h>

#include "lb/abi.h"
#include "siphash.h"

struct flow {
	struct lb_addr client;
	struct lb_addr service;
	__be16 client_port;
	__be16 service_port;
	bool is_v6;
	bool is_first; /* a plain SYN */
};

/* Two words of an address, in the order of its bytes. */
static __always_inline __u64 flow_word(const struct lb_addr *addr, int at)
{
	return (__u64)addr->words[at + 1] << 32 | addr->words[at];
}

/*
 * SipHash-1-3 of the client's address, the service's, and both ports.  Of an IPv4 one the last four
 * bytes are all that varies, and all that is hashed: five rounds instead of eight.
 */
static __always_inline __u64 flow_hash(const struct flow *flow, const struct lb_seed *seed)
{
	__u64 ports = (__u64)flow->service_port << 16 | flow->client_port;
	struct siphash s;

	siphash_start(&s, seed);
	if (flow->is_v6) {
		siphash_add(&s, flow_word(&flow->client, 0), SIPHASH_ROUNDS);
		siphash_add(&s, flow_word(&flow->client, 2), SIPHASH_ROUNDS);
		siphash_add(&s, flow_word(&flow->service, 0), SIPHASH_ROUNDS);
		siphash_add(&s, flow_word(&flow->service, 2), SIPHASH_ROUNDS);
		siphash_add(&s, 36ULL << 56 | ports, SIPHASH_ROUNDS);
	} else {
		siphash_add(&s, (__u64)flow->service.words[3] << 32 | flow->client.words[3],
			    SIPHASH_ROUNDS);
		siphash_add(&s, 12ULL << 56 | ports, SIPHASH_ROUNDS);
	}
	return siphash_end(&s, SIPHASH_END_ROUNDS);
}

/* SipHash-1-3 of an address in two words, of flow_word(): the hash of source_hash. */
static __always_inline __u64 flow_hash_client(__u64 first, __u64 second, const struct lb_seed *seed)
{
	struct siphash s;

	siphash_start(&s, seed);
	siphash_add(&s, first, SIPHASH_ROUNDS);
	siphash_add(&s, second, SIPHASH_ROUNDS);
	siphash_add(&s, 16ULL << 56, SIPHASH_ROUNDS);
	return siphash_end(&s, SIPHASH_END_ROUNDS);
}

#endif

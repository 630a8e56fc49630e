/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Is a packet for this host?  Frames for others come to ingress too, where the host routes or bridges:
 * only what steer will see may be chosen for or dropped.
 */
#ifndef LB_LOCAL_H
#define LB_LOCAL_H

#include "flow.h"
#include "maps.h"

static __always_inline bool local_is_same(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->words[3] == b->words[3] && a->words[2] == b->words[2] &&
	       a->words[1] == b->words[1] && a->words[0] == b->words[0];
}

static __always_inline bool local_is_at_hand(const struct flow *flow)
{
	__u32 zero = 0, family = flow->is_v6;
	struct lb_locals_at_hand *at_hand = bpf_map_lookup_elem(&locals_at_hand, &zero);

	/* The compiler knows it is 0 or 1, and the verifier of Linux 6.1 does not. */
	asm volatile("" : "+r"(family));
	family &= 1;
	if (!at_hand)
		return false;
	for (int i = 0; i < LB_LOCALS_AT_HAND; i++)
		if (local_is_same(&at_hand->addrs[family][i], &flow->service))
			return true;
	return false;
}

static __always_inline bool local_has(const struct flow *flow)
{
	struct lb_local_key key = {.prefix_bits = 128, .addr = flow->service};

	return local_is_at_hand(flow) || bpf_map_lookup_elem(&locals, &key);
}

#endif

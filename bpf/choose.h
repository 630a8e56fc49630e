/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The choice of a backend for a flow, as ingress and steer see it. */
#ifndef LB_CHOOSE_H
#define LB_CHOOSE_H

#include "backend.h"
#include "choice_result.h"
#include "flow.h"
#include "maps.h"

static __always_inline __u64 choose_hash(const struct flow *flow)
{
	const struct lb_seed *seed = seed_of_flows();

	return seed ? flow_hash(flow, seed) : 0;
}

/* A backend's id, or a CHOICE_* below 0. */
static __always_inline int choose_for(__u32 pool, const struct flow *flow, __u64 hash)
{
	return choose(pool, hash, flow_word(&flow->client, 0), flow_word(&flow->client, 2),
		      flow->is_v6);
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The choice of a backend for a flow, as ingress and steer see it. */
#ifndef LB_CHOOSE_H
#define LB_CHOOSE_H

#include "flow.h"
#include "maps.h"
#include "pick_result.h"

/* Ingress and steer must agree on it, and hosts that share an address. */
__weak const volatile __u64 hash_seed = 0;

/* Whole numbers only: what is handed over by pointer, the verifier would not know on the other side. */
int choose(__u32 pool, __u64 hash, __u64 client, __u32 is_v6);

static __always_inline __u64 choose_hash(const struct flow *flow)
{
	return flow_hash(flow, hash_seed);
}

/* A backend's id, or a PICK_* below 0. */
static __always_inline int choose_for(__u32 pool, const struct flow *flow, __u64 hash)
{
	return choose(pool, hash, flow_fold_client(flow, hash_seed), flow->is_v6);
}

static __always_inline struct lb_backend *choose_enabled(__u32 id)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->flags & LB_BACKEND_ENABLED ? backend : NULL;
}

#endif

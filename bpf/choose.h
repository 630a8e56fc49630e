/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The choice of a backend for a flow, as ingress and steer see it. */
#ifndef LB_CHOOSE_H
#define LB_CHOOSE_H

#include <bpf/bpf_core_read.h>

#include "flow.h"
#include "kernel.h"
#include "maps.h"
#include "pick_result.h"

/* Whole numbers only: what is handed over by pointer, the verifier would not know on the other side. */
int choose(__u32 pool, __u64 hash, __u64 client_first, __u64 client_second, __u32 is_v6);

/* NULL: never, of an array's first element. */
static __always_inline const struct lb_seed *choose_seed(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&seeds, &zero);
}

static __always_inline __u64 choose_hash(const struct flow *flow)
{
	const struct lb_seed *seed = choose_seed();

	return seed ? flow_hash(flow, seed) : 0;
}

/* A backend's id, or a PICK_* below 0. */
static __always_inline int choose_for(__u32 pool, const struct flow *flow, __u64 hash)
{
	return choose(pool, hash, flow_word(&flow->client, 0), flow_word(&flow->client, 2),
		      flow->is_v6);
}

static __always_inline struct lb_backend *choose_enabled(__u32 id)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->flags & LB_BACKEND_ENABLED ? backend : NULL;
}

/* What counts towards a limit: connections, and handshakes under way at this listener. */
static __always_inline __u32 choose_connections(const struct tcp_sock *listener,
						const struct lb_load *counted)
{
	return listener->inet_conn.icsk_accept_queue.qlen.counter + counted->active;
}

/*
 * NULL: none, or one that was shut down, which stays in the map: bpf_sk_assign() would take it, and the
 * client be refused.  To be released.
 */
static __always_inline struct bpf_sock *choose_listener(__u32 slot)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &slot);

	if (!listener || listener->state == BPF_TCP_LISTEN)
		return listener;
	bpf_sk_release(listener);
	return NULL;
}

#endif

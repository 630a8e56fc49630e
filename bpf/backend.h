/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* A backend as the maps have it: its settings, listener and connections; for who chooses one and who delivers to it. */
#ifndef LB_BPF_BACKEND_H
#define LB_BPF_BACKEND_H

#include "kernel.h"
#include "maps.h"

/*
 * choose.bpf.c: a backend's id, or a CHOICE_* below 0.  Whole numbers only: what is handed over by pointer, the
 * verifier would not know on the other side.
 */
int choose(__u32 pool, __u64 hash, __u64 client_first, __u64 client_second, __u32 is_v6);

static __always_inline struct lb_backend *backend_enabled(__u32 id)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->flags & LB_BACKEND_ENABLED ? backend : NULL;
}

/* What counts towards a limit: connections, and handshakes under way at this listener. */
static __always_inline __u32 backend_connections(const struct tcp_sock *listener,
						 const struct lb_load *counted)
{
	return listener->inet_conn.icsk_accept_queue.qlen.counter + counted->active;
}

/*
 * NULL: none, or one that was shut down, which stays in the map: bpf_sk_assign() would take it, and the
 * client be refused.  To be released.
 */
static __always_inline struct bpf_sock *backend_listener(__u32 slot)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &slot);

	if (!listener || listener->state == BPF_TCP_LISTEN)
		return listener;
	bpf_sk_release(listener);
	return NULL;
}

#endif

// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * track: sockops, on the cgroup v2 root, for one network namespace.  Captures the listener of a backend
 * at the moment of listen(2), if it is that backend's and nobody else's, and counts each backend's open
 * connections exactly.
 *
 * The tag in a listener's storage is cloned into each connection that it accepts.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <stdbool.h>

#include "count.h"
#include "kernel.h"
#include "maps.h"

enum {
	TRACK_AF_INET6 = 10,
	TRACK_IPV4_MAPPED = 0xffff,
	TRACK_LOOPBACK = 127,
	TRACK_LEVELS = 8, /* of groups that a worker makes below its own */
};

/* Whose sockets are ours (SO_NETNS_COOKIE); 0 is nobody's. */
const volatile __u64 netns_cookie = 0;

static __always_inline void track_read_endpoint(const struct bpf_sock_ops *ctx,
						struct lb_endpoint *endpoint)
{
	__u32 ipv4 = ctx->local_ip4;

	/* Read by now: else the compiler makes a computed place in the context of two alternatives. */
	barrier_var(ipv4);
	__builtin_memset(endpoint, 0, sizeof(*endpoint));
	if (ctx->family == TRACK_AF_INET6) {
		endpoint->addr.words[0] = ctx->local_ip6[0];
		endpoint->addr.words[1] = ctx->local_ip6[1];
		endpoint->addr.words[2] = ctx->local_ip6[2];
		endpoint->addr.words[3] = ctx->local_ip6[3];
	} else {
		endpoint->addr.words[2] = bpf_htonl(TRACK_IPV4_MAPPED);
		endpoint->addr.words[3] = ipv4;
	}
	endpoint->port = bpf_htons(ctx->local_port);
	endpoint->protocol = IPPROTO_TCP;
}

static __always_inline bool track_is_v6only(struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

	return tcp &&
	       BPF_CORE_READ_BITFIELD(&tcp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only);
}

/* Which families' connections the kernel lets it take: bpf_sk_assign() applies the same rule. */
static __always_inline bool track_takes(struct bpf_sock_ops *ctx, struct bpf_sock *sk, bool is_v6)
{
	if (ctx->family == TRACK_AF_INET6)
		return is_v6 || !track_is_v6only(sk);
	return !is_v6;
}

static __always_inline bool track_is_same(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] &&
	       a->words[2] == b->words[2] && a->words[3] == b->words[3];
}

static __always_inline bool track_is_any(const struct lb_addr *addr)
{
	return !addr->words[0] && !addr->words[1] && !addr->words[3] &&
	       (!addr->words[2] || addr->words[2] == bpf_htonl(TRACK_IPV4_MAPPED));
}

static __always_inline bool track_is_loopback(const struct lb_addr *addr, bool *is_v6)
{
	*is_v6 = !addr->words[2];
	if (addr->words[0] || addr->words[1])
		return false;
	if (*is_v6)
		return addr->words[3] == bpf_htonl(1);
	return addr->words[2] == bpf_htonl(TRACK_IPV4_MAPPED) && addr->bytes[12] == TRACK_LOOPBACK;
}

/* As listeners_match() in lbd. */
static __always_inline bool track_serves(const struct lb_endpoint *worker,
					 const struct lb_endpoint *bound)
{
	bool worker_v6, bound_v6;

	if (bound->port != worker->port)
		return false;
	if (track_is_same(&bound->addr, &worker->addr))
		return true;
	if (track_is_any(&bound->addr) || track_is_any(&worker->addr))
		return true;
	return track_is_loopback(&worker->addr, &worker_v6) &&
	       track_is_loopback(&bound->addr, &bound_v6) && worker_v6 != bound_v6;
}

/*
 * The worker that the socket was made by.  Not the one that calls listen(2): a group is proof of whose
 * the socket is, also of one that lbd finds later (INET_DIAG_CGROUP_ID is the same).  Unrolled, as the
 * verifier wants one kind of pointer at each load.
 */
static __always_inline struct lb_worker *track_find_worker(const struct tcp_sock *tcp)
{
	struct cgroup *group = tcp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup;
	struct cgroup_subsys_state *parent;
	struct lb_worker *worker = NULL;
	__u64 id;

#pragma unroll
	for (int level = 0; level < TRACK_LEVELS; level++) {
		if (!worker && group) {
			id = group->kn->id;
			worker = bpf_map_lookup_elem(&workers, &id);
			parent = group->self.parent;
			group = parent ? parent->cgroup : NULL;
		}
	}
	return worker;
}

static __always_inline bool track_may_listen(const struct lb_backend_id *known,
					     const struct tcp_sock *tcp)
{
	if (known->flags & LB_ID_WORKER)
		return false;
	return !(known->flags & LB_ID_MAKER) ||
	       known->maker == tcp->inet_conn.icsk_inet.sk.sk_uid.val;
}

static __always_inline void track_tell(__u32 type, const struct lb_tag *tag, bool is_v6)
{
	struct lb_event event = {
		.type = type,
		.backend = tag->backend,
		.is_v6 = is_v6,
		.generation = tag->generation,
	};

	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		count_reason(LB_TRACK_EVENT_LOST);
}

static __always_inline void track_watch_state(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void track_capture(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					  const struct lb_tag *tag, bool is_v6)
{
	__u32 slot = LB_LISTENER(tag->backend, is_v6);

	if (track_takes(ctx, sk, is_v6) && !bpf_sock_map_update(ctx, &listeners, &slot, BPF_ANY))
		track_tell(LB_LISTENER_OPENED, tag, is_v6);
}

/* Once, until lbd has looked: whoever listens and closes again and again must not keep it busy. */
static __always_inline void track_tell_denied(struct lb_backend_id *known)
{
	__u32 id = known->backend;
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct lb_tag tag = {.backend = id};

	if (!backend || known->denied)
		return;
	known->denied = 1;
	tag.generation = backend->generation;
	track_tell(LB_LISTENER_DENIED, &tag, false);
}

/* Whose listener is it?  The worker's that made it, else that of the backend at its very address. */
static __always_inline __u32 track_find_backend(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	struct lb_backend_id *known;
	struct lb_endpoint bound;
	struct lb_worker *worker;

	if (!tcp)
		return LB_BACKEND_NONE;
	track_read_endpoint(ctx, &bound);
	worker = track_find_worker(tcp);
	if (worker && track_serves(&worker->endpoint, &bound))
		return worker->backend;
	known = bpf_map_lookup_elem(&backend_ids, &bound);
	if (!known)
		return LB_BACKEND_NONE;
	if (track_may_listen(known, tcp))
		return known->backend;
	track_tell_denied(known);
	return LB_BACKEND_NONE;
}

/* The tag first: a connection may come as soon as the listener can be chosen. */
static __always_inline void track_listen(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	__u32 id = track_find_backend(ctx, sk);
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct lb_tag *tag;

	if (!backend) /* also of LB_BACKEND_NONE */
		return;
	tag = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!tag)
		return;
	tag->backend = id;
	tag->generation = backend->generation;
	track_watch_state(ctx);
	track_capture(ctx, sk, tag, false);
	track_capture(ctx, sk, tag, true);
}

/* The backend that a socket's tag names; NULL when the id is another's by now. */
static __always_inline struct lb_backend *track_find_tagged(const struct lb_tag *tag)
{
	__u32 id = tag->backend;
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->generation == tag->generation ? backend : NULL;
}

static __always_inline struct lb_load *track_find_load(const struct lb_tag *tag)
{
	__u32 id = tag->backend;

	return bpf_map_lookup_elem(&loads, &id);
}

static __always_inline void track_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct lb_tag *tag = bpf_sk_storage_get(&owners, sk, NULL, 0);
	struct lb_load *load;

	if (!tag || !track_find_tagged(tag))
		return;
	load = track_find_load(tag);
	if (!load)
		return;
	tag->counted = 1;
	track_watch_state(ctx);
	__sync_fetch_and_add(&load->active, 1);
	__sync_fetch_and_add(&load->total, 1);
}

/* The count is 0 already when lbd has cleared it meanwhile: it stays there. */
static __always_inline void track_closed(const struct lb_tag *tag)
{
	struct lb_backend *backend = track_find_tagged(tag);
	struct lb_load *load = track_find_load(tag);

	if (!backend || !load || !load->active)
		return;
	if (__sync_fetch_and_add(&load->active, -1) == 1 && !(backend->flags & LB_BACKEND_ENABLED))
		track_tell(LB_BACKEND_EMPTY, tag, false);
}

static __always_inline void track_state(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct lb_tag *tag;

	if (ctx->args[1] != BPF_TCP_CLOSE)
		return;
	tag = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (!tag)
		return;
	if (ctx->args[0] == BPF_TCP_LISTEN) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			if (track_takes(ctx, sk, is_v6))
				track_tell(LB_LISTENER_CLOSED, tag, is_v6);
	} else if (tag->counted) {
		tag->counted = 0;
		track_closed(tag);
	}
}

SEC("sockops")
int track(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	if (!sk || bpf_get_netns_cookie(ctx) != netns_cookie)
		return 1;
	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_LISTEN_CB:
		track_listen(ctx, sk);
		break;
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		track_established(ctx, sk);
		break;
	case BPF_SOCK_OPS_STATE_CB:
		track_state(ctx, sk);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";

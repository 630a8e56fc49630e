// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * track: sockops, on the cgroup v2 root, for one network namespace.  Captures the listener of a backend
 * at the moment of listen(2), and counts each backend's open connections exactly.
 *
 * The owner in a listener's storage is cloned into each connection that it accepts.
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

/* The backend of any address and this port, not one that is known by that address among others. */
static __always_inline __u32 *track_find_any(struct lb_endpoint *key, bool is_v6)
{
	struct lb_backend *backend;
	__u32 *id;

	__builtin_memset(&key->addr, 0, sizeof(key->addr));
	if (!is_v6)
		key->addr.words[2] = bpf_htonl(TRACK_IPV4_MAPPED);
	id = bpf_map_lookup_elem(&backend_ids, key);
	if (!id)
		return NULL;
	backend = bpf_map_lookup_elem(&backends, id);
	return backend && backend->flags & LB_BACKEND_ANY_ADDRESS ? id : NULL;
}

/*
 * Whose backend is it?  Its own address goes before any address of its family, and for one that takes
 * both families any address of IPv4 is the last resort.
 */
static __always_inline __u32 *track_find_backend(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	bool is_v6 = ctx->family == TRACK_AF_INET6;
	struct lb_endpoint key;
	__u32 *id;

	track_read_endpoint(ctx, &key);
	id = bpf_map_lookup_elem(&backend_ids, &key);
	if (!id)
		id = track_find_any(&key, is_v6);
	if (!id && is_v6 && track_takes(ctx, sk, false))
		id = track_find_any(&key, false);
	return id;
}

static __always_inline void track_tell(__u32 type, const struct lb_owner *owner, bool is_v6)
{
	struct lb_event event = {
		.type = type,
		.backend = owner->backend,
		.is_v6 = is_v6,
		.generation = owner->generation,
	};

	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		count_reason(LB_TRACK_EVENT_LOST);
}

static __always_inline void track_watch_state(struct bpf_sock_ops *ctx)
{
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline void track_capture(struct bpf_sock_ops *ctx, struct bpf_sock *sk,
					  const struct lb_owner *owner, bool is_v6)
{
	__u32 slot = LB_LISTENER(owner->backend, is_v6);

	if (track_takes(ctx, sk, is_v6) && !bpf_sock_map_update(ctx, &listeners, &slot, BPF_ANY))
		track_tell(LB_LISTENER_OPENED, owner, is_v6);
}

/* The owner first: a connection may come as soon as the listener can be chosen. */
static __always_inline void track_listen(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	__u32 *found = track_find_backend(ctx, sk), id;
	struct lb_backend *backend;
	struct lb_owner *owner;

	if (!found)
		return;
	id = *found;
	backend = bpf_map_lookup_elem(&backends, &id);
	owner = bpf_sk_storage_get(&owners, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!backend || !owner)
		return;
	owner->backend = id;
	owner->generation = backend->generation;
	track_watch_state(ctx);
	track_capture(ctx, sk, owner, false);
	track_capture(ctx, sk, owner, true);
}

/* The backend that a socket's owner names; NULL when the id is another's by now. */
static __always_inline struct lb_backend *track_find_owner(const struct lb_owner *owner)
{
	__u32 id = owner->backend;
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->generation == owner->generation ? backend : NULL;
}

static __always_inline struct lb_load *track_find_load(const struct lb_owner *owner)
{
	__u32 id = owner->backend;

	return bpf_map_lookup_elem(&loads, &id);
}

static __always_inline void track_established(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct lb_owner *owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	struct lb_load *load;

	if (!owner || !track_find_owner(owner))
		return;
	load = track_find_load(owner);
	if (!load)
		return;
	owner->counted = 1;
	track_watch_state(ctx);
	__sync_fetch_and_add(&load->active, 1);
	__sync_fetch_and_add(&load->total, 1);
}

/* The count is 0 already when lbd has cleared it meanwhile: it stays there. */
static __always_inline void track_closed(const struct lb_owner *owner)
{
	struct lb_backend *backend = track_find_owner(owner);
	struct lb_load *load = track_find_load(owner);

	if (!backend || !load || !load->active)
		return;
	if (__sync_fetch_and_add(&load->active, -1) == 1 && !(backend->flags & LB_BACKEND_ENABLED))
		track_tell(LB_BACKEND_EMPTY, owner, false);
}

static __always_inline void track_state(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct lb_owner *owner;

	if (ctx->args[1] != BPF_TCP_CLOSE)
		return;
	owner = bpf_sk_storage_get(&owners, sk, NULL, 0);
	if (!owner)
		return;
	if (ctx->args[0] == BPF_TCP_LISTEN) {
		for (int is_v6 = 0; is_v6 < 2; is_v6++)
			if (track_takes(ctx, sk, is_v6))
				track_tell(LB_LISTENER_CLOSED, owner, is_v6);
	} else if (owner->counted) {
		owner->counted = 0;
		track_closed(owner);
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

// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * steer: answers the kernel's look-ups of a listener (sk_lookup, per network namespace).  It delivers
 * what ingress chose; where ingress did not see the packet (loopback, an interface without XDP) it
 * chooses itself, by the same function.
 *
 * It is told addresses and no TCP flags: a first segment looks like the ACK of a SYN cookie.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/in.h>
#include <stdbool.h>

#include "choose.h"
#include "cookie.h"
#include "count.h"
#include "handover.h"
#include "service.h"

enum {
	STEER_AF_INET6 = 10,
	STEER_IPV4_MAPPED = 0xffff,
};

/*
 * The verifier allows no computed place in a context, and the compiler makes one of two alternatives: so
 * no loop, and the words of IPv6, which read 0 for IPv4, unconditionally.
 */
static __always_inline void steer_read_flow(const struct bpf_sk_lookup *ctx, struct flow *flow)
{
	flow->is_v6 = ctx->family == STEER_AF_INET6;
	flow->is_first = true;
	flow->client_port = ctx->remote_port;
	flow->service_port = bpf_htons(ctx->local_port);
	flow->client.words[0] = ctx->remote_ip6[0];
	flow->client.words[1] = ctx->remote_ip6[1];
	flow->client.words[2] = ctx->remote_ip6[2];
	flow->client.words[3] = ctx->remote_ip6[3] | ctx->remote_ip4;
	flow->service.words[0] = ctx->local_ip6[0];
	flow->service.words[1] = ctx->local_ip6[1];
	flow->service.words[2] = ctx->local_ip6[2];
	flow->service.words[3] = ctx->local_ip6[3] | ctx->local_ip4;
	if (!flow->is_v6)
		flow->client.words[2] = flow->service.words[2] = bpf_htonl(STEER_IPV4_MAPPED);
}

/* To this very socket: without the flag the kernel draws anew among those of its SO_REUSEPORT group. */
static __always_inline bool steer_assign(struct bpf_sk_lookup *ctx, struct bpf_sock *listener)
{
	return !bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_NO_REUSEPORT);
}

static __always_inline bool steer_discard(struct bpf_sk_lookup *ctx)
{
	__u32 slot = LB_SINK(ctx->family == STEER_AF_INET6);
	struct bpf_sock *sink = bpf_map_lookup_elem(&listeners, &slot);
	bool done;

	if (!sink)
		return false;
	done = steer_assign(ctx, sink);
	bpf_sk_release(sink);
	return done;
}

/* A choice for this flow; where its SYN may be answered with a cookie, the ACK will be told by it. */
static __always_inline bool steer_deliver(struct bpf_sk_lookup *ctx, const struct flow *flow,
					  __u64 hash, __u16 pool, __u16 backend)
{
	__u32 slot = LB_LISTENER(backend, flow->is_v6);
	struct bpf_sock *listener = choose_listener(slot);
	struct tcp_sock *tcp;
	bool done;

	if (!listener)
		return false;
	done = steer_assign(ctx, listener);
	tcp = done ? bpf_skc_to_tcp_sock(listener) : NULL;
	if (tcp && cookie_is_likely(tcp))
		cookie_remember(hash, pool, backend);
	bpf_sk_release(listener);
	return done;
}

static __always_inline bool steer_deliver_cookie(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *listener = choose_listener(slot);
	struct tcp_sock *tcp;
	bool done;

	if (!listener)
		return false;
	tcp = bpf_skc_to_tcp_sock(listener);
	done = tcp && cookie_was_sent(tcp) && steer_assign(ctx, listener);
	bpf_sk_release(listener);
	return done;
}

/*
 * What was chosen for this flow before: by ingress, a moment ago; or by either of us for the SYN whose
 * cookie comes back now.  Else LB_REASON_COUNT.
 */
static __always_inline int steer_follow(struct bpf_sk_lookup *ctx, const struct flow *flow,
					__u64 hash, __u16 pool)
{
	int backend = handover_take(hash, pool);

	if (backend >= 0) {
		if (choose_enabled(backend) && steer_deliver(ctx, flow, hash, pool, backend))
			return LB_STEER_HANDED_OVER;
		return LB_REASON_COUNT;
	}
	backend = cookie_backend(hash, pool);
	if (backend >= 0 && choose_enabled(backend) &&
	    steer_deliver_cookie(ctx, LB_LISTENER(backend, flow->is_v6)))
		return LB_STEER_COOKIE;
	return LB_REASON_COUNT;
}

static __always_inline int steer_choose(struct bpf_sk_lookup *ctx, const struct flow *flow,
					__u64 hash, __u16 pool)
{
	int backend = choose_for(pool, flow, hash);

	if (backend >= 0) {
		if (steer_deliver(ctx, flow, hash, pool, backend))
			return LB_STEER_CHOSEN;
		/* Its listener has closed since: somebody else, or what is done where there is nobody. */
		backend = choose_for(pool, flow, hash);
	}
	if (backend == PICK_MAX_CONNECTIONS)
		return LB_STEER_MAX_CONNECTIONS;
	if (backend == PICK_DEFER)
		return LB_STEER_DEFERRED;
	if (backend < 0)
		return LB_STEER_NO_BACKEND;
	if (!steer_deliver(ctx, flow, hash, pool, backend))
		return LB_STEER_LISTENER_GONE;
	return LB_STEER_CHOSEN;
}

static __always_inline void steer_count(__u16 service, int reason)
{
	struct lb_service_count *count = count_service(service);

	if (!count)
		return;
	if (reason == LB_STEER_HANDED_OVER || reason == LB_STEER_CHOSEN)
		count->connections++;
	else if (reason == LB_STEER_NO_BACKEND || reason == LB_STEER_LISTENER_GONE)
		count->refused++;
	else if (reason == LB_STEER_MAX_CONNECTIONS)
		count->dropped++;
	else if (reason == LB_STEER_DEFERRED)
		count->deferred++;
	else if (reason == LB_STEER_DENIED)
		count->denied++;
}

static __always_inline int steer_decide(struct bpf_sk_lookup *ctx)
{
	const struct lb_service *service;
	struct flow flow;
	__u32 port_flags;
	__u64 hash;
	int reason;

	port_flags = service_port_flags(bpf_htons(ctx->local_port));
	if (!port_flags)
		return LB_STEER_NO_SERVICE;
	steer_read_flow(ctx, &flow);
	service = service_find(&flow, port_flags);
	if (!service)
		return LB_STEER_NO_SERVICE;
	hash = choose_hash(&flow);
	reason = steer_follow(ctx, &flow, hash, service->pool);
	if (reason == LB_REASON_COUNT)
		reason = service_admits(service, &flow)
				 ? steer_choose(ctx, &flow, hash, service->pool)
				 : LB_STEER_DENIED;
	steer_count(service->id, reason);
	return reason;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	int reason;

	if (ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	reason = steer_decide(ctx);
	count_reason(reason);
	switch (reason) {
	case LB_STEER_NO_SERVICE: /* the stack looks for itself */
	case LB_STEER_HANDED_OVER:
	case LB_STEER_COOKIE:
	case LB_STEER_CHOSEN:
		return SK_PASS;
	case LB_STEER_MAX_CONNECTIONS: /* the client's retry finds room: drop, do not reset */
	case LB_STEER_DEFERRED:        /* or somebody */
	case LB_STEER_DENIED:          /* as at an interface: that there is a service is not told */
		return steer_discard(ctx) ? SK_PASS : SK_DROP;
	default: /* reset */
		return SK_DROP;
	}
}

char _license[] SEC("license") = "GPL";

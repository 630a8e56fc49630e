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

#include "backend.h"
#include "choose.h"
#include "cookie.h"
#include "count.h"
#include "handover.h"
#include "service.h"

enum {
	STEER_AF_INET6 = 10,
	STEER_IPV4_MAPPED = 0xffff,
	STEER_HANDOVERS_PER_SECOND = 16, /* one that took longer to come here is not followed */
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

/* What is to be delivered: a flow of this service, and its hash. */
struct steer {
	struct bpf_sk_lookup *ctx;
	const struct lb_service *service;
	struct flow flow;
	__u64 hash;
};

/* NULL: who has the id now may not be chosen, or is of another pool than the one that was chosen. */
static __always_inline struct lb_backend *steer_find(const struct steer *steer, __u16 id,
						     int reason)
{
	struct lb_backend *backend = backend_enabled(id);

	if (!backend || reason == LB_STEER_CHOSEN)
		return backend;
	return backend->pool == steer->service->pool ? backend : NULL;
}

static __always_inline bool steer_is_full(const struct lb_backend *backend, __u32 id,
					  const struct tcp_sock *listener)
{
	struct lb_load *counted;

	if (!backend->max_connections)
		return false;
	counted = bpf_map_lookup_elem(&loads, &id);
	return counted &&
	       choice_is_at_limit(backend_connections(listener, counted), backend->max_connections);
}

/* Where the SYN may be answered with a cookie, its ACK will be told by `cookies` who sent it. */
static __always_inline int steer_give(struct steer *steer, struct bpf_sock *listener,
				      const struct lb_backend *backend, __u16 id, int reason)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(listener);

	if (!tcp || (reason == LB_STEER_COOKIE && !cookie_was_sent(tcp)))
		return LB_STEER_LISTENER_GONE;
	if (steer_is_full(backend, id, tcp))
		return LB_STEER_MAX_CONNECTIONS;
	if (!steer_assign(steer->ctx, listener))
		return LB_STEER_LISTENER_GONE;
	if (reason != LB_STEER_COOKIE && cookie_is_likely(tcp))
		cookie_remember(steer->hash, id);
	return reason;
}

/*
 * The only way to a backend.  Of an earlier choice nothing is believed: its id may be another's by now, ingress
 * chooses for all of a batch before the first of them counts as a handshake, and what a cookie brings back
 * nothing has counted.
 *
 * `reason` when it is done; else LB_STEER_MAX_CONNECTIONS or LB_STEER_LISTENER_GONE.
 */
static __always_inline int steer_deliver(struct steer *steer, __u16 id, int reason)
{
	struct lb_backend *backend = steer_find(steer, id, reason);
	struct bpf_sock *listener;

	if (!backend)
		return LB_STEER_LISTENER_GONE;
	listener = backend_listener(LB_LISTENER(id, steer->flow.is_v6));
	if (!listener)
		return LB_STEER_LISTENER_GONE;
	reason = steer_give(steer, listener, backend, id, reason);
	bpf_sk_release(listener);
	return reason;
}

/* What ingress chose a moment ago, by the access rules of that moment; false: nothing to be followed. */
static __always_inline bool steer_hand_over(struct steer *steer)
{
	int id = handover_take(steer->hash, jiffies_per_second / STEER_HANDOVERS_PER_SECOND);

	return id >= 0 && steer_deliver(steer, id, LB_STEER_HANDED_OVER) == LB_STEER_HANDED_OVER;
}

static __always_inline int steer_choose_once(struct steer *steer)
{
	int id = choose_for(steer->service->pool, &steer->flow, steer->hash);

	if (id == CHOICE_MAX_CONNECTIONS)
		return LB_STEER_MAX_CONNECTIONS;
	if (id == CHOICE_DEFER)
		return LB_STEER_DEFERRED;
	if (id < 0)
		return LB_STEER_NO_BACKEND;
	return steer_deliver(steer, id, LB_STEER_CHOSEN);
}

/*
 * A client that brings a cookie believes to be connected: where there is no room, what it sends again finds some.
 * One whose cookie has been brought back already begins anew, and is not to wait for its backend of before.
 */
static __always_inline int steer_choose(struct steer *steer)
{
	bool is_used;
	int id = cookie_backend(steer->hash, &is_used);
	int reason = id >= 0 ? steer_deliver(steer, id, LB_STEER_COOKIE) : LB_STEER_LISTENER_GONE;

	if (reason == LB_STEER_COOKIE && !is_used)
		cookie_use(steer->hash);
	if (reason == LB_STEER_LISTENER_GONE || (reason == LB_STEER_MAX_CONNECTIONS && is_used))
		reason = steer_choose_once(steer);
	/* Its listener has closed since: somebody else, or what is done where there is nobody. */
	if (reason == LB_STEER_LISTENER_GONE)
		reason = steer_choose_once(steer);
	return reason;
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
	struct steer steer = {.ctx = ctx};
	__u32 port_flags;
	int reason;

	port_flags = service_port_flags(bpf_htons(ctx->local_port));
	if (!port_flags)
		return LB_STEER_NO_SERVICE;
	steer_read_flow(ctx, &steer.flow);
	steer.service = service_find(&steer.flow, port_flags);
	if (!steer.service)
		return LB_STEER_NO_SERVICE;
	steer.hash = choose_hash(&steer.flow);
	if (steer_hand_over(&steer))
		reason = LB_STEER_HANDED_OVER;
	else if (!service_admits(steer.service, &steer.flow))
		reason = LB_STEER_DENIED;
	else
		reason = steer_choose(&steer);
	steer_count(steer.service->id, reason);
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

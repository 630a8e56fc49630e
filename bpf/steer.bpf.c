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
#include "count.h"
#include "handover.h"
#include "kernel.h"
#include "service.h"

enum {
	STEER_AF_INET6 = 10,
	STEER_IPV4_MAPPED = 0xffff,
	COOKIE_VALID_S = 120, /* MAX_SYNCOOKIE_AGE periods of 60 s, include/net/tcp.h */
};

/*
 * The kernel's HZ, which clock_getres(CLOCK_MONOTONIC_COARSE) tells user space.  Too large a value only
 * makes a look-up follow an earlier choice for longer.
 */
const volatile __u32 jiffies_per_second = 1000;

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
static __always_inline bool steer_deliver(struct bpf_sk_lookup *ctx, __u32 slot)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &slot);
	long error;

	if (!listener)
		return false;
	error = bpf_sk_assign(ctx, listener, BPF_SK_LOOKUP_F_NO_REUSEPORT);
	bpf_sk_release(listener);
	return !error;
}

/* As tcp_synq_no_recent_overflow() in include/net/tcp.h; 0 means never. */
static __always_inline bool steer_sent_cookies(__u32 slot)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &slot);
	__u32 now = bpf_jiffies64(), at = 0;
	struct sock_reuseport *group;
	struct tcp_sock *tcp;

	if (!listener)
		return false;
	tcp = bpf_skc_to_tcp_sock(listener);
	if (tcp) {
		group = tcp->inet_conn.icsk_inet.sk.sk_reuseport_cb;
		at = group ? group->synq_overflow_ts : tcp->rx_opt.ts_recent_stamp;
	}
	bpf_sk_release(listener);
	return at && now - at <= COOKIE_VALID_S * jiffies_per_second;
}

/*
 * What was chosen for this flow before: by ingress, a moment ago, and to be used once; or by either of
 * us for the SYN whose cookie comes back now.  Else LB_REASON_COUNT.
 */
static __always_inline int steer_follow(struct bpf_sk_lookup *ctx, const struct flow *flow,
					__u64 hash)
{
	struct lb_handover entry;
	__u32 slot;

	if (!handover_read(hash, &entry) || !choose_enabled(entry.backend))
		return LB_REASON_COUNT;
	slot = LB_LISTENER(entry.backend, flow->is_v6);
	if (entry.state == LB_HANDOVER_FRESH) {
		handover_write(hash, entry.backend, LB_HANDOVER_USED);
		if (steer_deliver(ctx, slot))
			return LB_STEER_HANDED_OVER;
	} else if (steer_sent_cookies(slot) && steer_deliver(ctx, slot)) {
		return LB_STEER_COOKIE;
	}
	return LB_REASON_COUNT;
}

static __always_inline int steer_choose(struct bpf_sk_lookup *ctx, const struct flow *flow,
					__u64 hash, __u16 pool)
{
	int backend = choose_for(pool, flow, hash);

	if (backend == PICK_MAX_CONNECTIONS)
		return LB_STEER_MAX_CONNECTIONS;
	if (backend < 0)
		return LB_STEER_NO_BACKEND;
	if (!steer_deliver(ctx, LB_LISTENER(backend, flow->is_v6)))
		return LB_STEER_LISTENER_GONE;
	handover_write(hash, backend, LB_HANDOVER_USED);
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
	reason = steer_follow(ctx, &flow, hash);
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
		return steer_deliver(ctx, LB_SINK(ctx->family == STEER_AF_INET6)) ? SK_PASS
										  : SK_DROP;
	default: /* reset */
		return SK_DROP;
	}
}

char _license[] SEC("license") = "GPL";

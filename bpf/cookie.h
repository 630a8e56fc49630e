/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * SYN cookies: the ACK that brings one back has to reach the listener that sent it, for another refuses
 * it, and nothing else remembers which that was.  The table is a cold cache line for each flow, so it is
 * left alone unless cookies are about.
 *
 * Source: tcp_conn_request(), tcp_synq_no_recent_overflow(), MAX_SYNCOOKIE_AGE in Linux.
 */
#ifndef LB_COOKIE_H
#define LB_COOKIE_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "handover.h"
#include "kernel.h"

enum {
	COOKIE_VALID_S = 120, /* MAX_SYNCOOKIE_AGE periods of 60 s, include/net/tcp.h */
	COOKIE_ALWAYS = 2,    /* of net.ipv4.tcp_syncookies, which is IPv6's too */
};

/*
 * The kernel's HZ, which clock_getres(CLOCK_MONOTONIC_COARSE) tells user space.  Too large a value only
 * makes a look-up follow an earlier choice for longer.
 */
const volatile __u32 jiffies_per_second = 1000;

/*
 * May this listener answer the SYN that it gets now with a cookie?  It does when more handshakes are
 * under way than its accept queue has room for.  Half of that is enough to say yes: other CPUs add some
 * before it looks.
 */
static __always_inline bool cookie_is_likely(const struct tcp_sock *listener)
{
	const struct sock *sk = &listener->inet_conn.icsk_inet.sk;
	__u32 handshakes = listener->inet_conn.icsk_accept_queue.qlen.counter;

	return handshakes >= sk->sk_max_ack_backlog / 2 ||
	       sk->__sk_common.skc_net.net->ipv4.sysctl_tcp_syncookies == COOKIE_ALWAYS;
}

/* As tcp_synq_no_recent_overflow() in include/net/tcp.h; 0 means never. */
static __always_inline bool cookie_was_sent(const struct tcp_sock *listener)
{
	const struct sock_reuseport *group = listener->inet_conn.icsk_inet.sk.sk_reuseport_cb;
	__u32 now = bpf_jiffies64();
	__u32 at = group ? group->synq_overflow_ts : listener->rx_opt.ts_recent_stamp;

	return at && now - at <= COOKIE_VALID_S * jiffies_per_second;
}

static __always_inline __u64 *cookie_find(__u64 hash)
{
	__u32 index = hash & (LB_COOKIE_ENTRIES - 1);

	return bpf_map_lookup_elem(&cookies, &index);
}

/* Written once a second, that the line of all CPUs stays clean. */
static __always_inline void cookie_set_written(void)
{
	__u64 *at, now = bpf_jiffies64();
	__u32 zero = 0;

	at = bpf_map_lookup_elem(&cookies_written, &zero);
	if (at && (!*at || now - *at >= jiffies_per_second))
		*(volatile __u64 *)at = now;
}

static __always_inline bool cookie_are_about(void)
{
	__u32 zero = 0;
	__u64 *at = bpf_map_lookup_elem(&cookies_written, &zero);

	return at && *at && bpf_jiffies64() - *at <= (COOKIE_VALID_S + 1ULL) * jiffies_per_second;
}

static __always_inline __u64 cookie_now_s(void)
{
	return bpf_jiffies64() / jiffies_per_second;
}

static __always_inline void cookie_remember(__u64 hash, __u16 backend)
{
	__u64 *slot = cookie_find(hash);

	if (!slot)
		return;
	*(volatile __u64 *)slot = handover_word(hash, backend, cookie_now_s());
	cookie_set_written();
}

/* Brought back: should another first segment follow, it most likely is of a new connection. */
static __always_inline void cookie_use(__u64 hash)
{
	__u64 *slot = cookie_find(hash);
	union handover_word found;

	if (!slot)
		return;
	found.word = *(volatile __u64 *)slot;
	found.entry.backend_plus_1 |= LB_COOKIE_USED;
	*(volatile __u64 *)slot = found.word;
}

/* The backend that this flow's cookie may have come from; -1: none is known. */
static __always_inline int cookie_backend(__u64 hash, bool *is_used)
{
	__u64 *slot = cookie_are_about() ? cookie_find(hash) : NULL;
	int plus_1 = slot ? handover_backend(*(volatile __u64 *)slot, hash, cookie_now_s(),
					     COOKIE_VALID_S) +
				     1
			  : 0;

	*is_used = plus_1 & LB_COOKIE_USED;
	return (plus_1 & ~LB_COOKIE_USED) - 1;
}

#endif

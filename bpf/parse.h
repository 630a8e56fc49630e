/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * From a frame to a struct flow.  The only place of the kernel side that knows IP versions.  What is odd
 * is not ours to judge: it gets a reason and goes up to the stack.
 *
 * Sources: RFC 791, RFC 8200, RFC 9293; IEEE 802.1Q.
 */
#ifndef LB_PARSE_H
#define LB_PARSE_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include "flow.h"
#include "lb/abi.h"

enum {
	PARSED = LB_REASON_COUNT, /* not a reason to stop */
	PARSE_VLANS = 2,
	PARSE_EXTENSIONS = 6,
	PARSE_IP_FRAGMENT = 0x3fff, /* more fragments, or an offset */
	PARSE_IPV4_MAPPED = 0xffff,
};

struct parser {
	struct xdp_md *ctx;
	void *at;
	void *end;
	__u32 payload; /* bytes of the IP packet from `at` on, by its own account */
};

struct vlan_tag {
	__be16 tci;
	__be16 protocol;
};

/* RFC 8200, 4.2: length in units of 8 bytes, the first not counted. */
struct extension {
	__u8 next;
	__u8 length;
};

/* Is the packet as long as it says?  Ethernet pads, so it may be longer. */
static __always_inline bool parse_is_whole(const struct parser *p, __u32 length)
{
	__u64 offset;

	if (p->at + length <= p->end)
		return true;
	/* A frame in several buffers ends beyond the first. */
	offset = (long)p->at - (long)p->ctx->data;
	return offset + length <= bpf_xdp_get_buff_len(p->ctx);
}

static __always_inline int parse_tcp(struct parser *p, struct flow *flow)
{
	struct tcphdr *tcp = p->at;
	__u32 length;

	if ((void *)(tcp + 1) > p->end)
		return LB_INGRESS_MALFORMED;
	length = tcp->doff * 4;
	if (length < sizeof(*tcp) || length > p->payload)
		return LB_INGRESS_MALFORMED;
	flow->client_port = tcp->source;
	flow->service_port = tcp->dest;
	flow->is_first = tcp->syn && !tcp->ack && !tcp->rst && !tcp->fin;
	return PARSED;
}

static __always_inline void parse_map_ipv4(struct lb_addr *addr, __be32 ipv4)
{
	addr->words[0] = addr->words[1] = 0;
	addr->words[2] = bpf_htonl(PARSE_IPV4_MAPPED);
	addr->words[3] = ipv4;
}

static __always_inline int parse_ipv4(struct parser *p, struct flow *flow)
{
	struct iphdr *ip = p->at;
	__u32 header, total;

	if ((void *)(ip + 1) > p->end || ip->version != 4)
		return LB_INGRESS_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (header < sizeof(*ip) || total < header || !parse_is_whole(p, total))
		return LB_INGRESS_MALFORMED;
	if (ip->frag_off & bpf_htons(PARSE_IP_FRAGMENT))
		return LB_INGRESS_FRAGMENT;
	if (ip->protocol != IPPROTO_TCP)
		return LB_INGRESS_NOT_TCP;
	parse_map_ipv4(&flow->client, ip->saddr);
	parse_map_ipv4(&flow->service, ip->daddr);
	flow->is_v6 = false;
	p->at += header;
	p->payload = total - header;
	return parse_tcp(p, flow);
}

/* Past the extension headers: PARSED when TCP follows. */
static __always_inline int parse_extensions(struct parser *p, __u8 next)
{
	for (int i = 0; i < PARSE_EXTENSIONS; i++) {
		struct extension *extension = p->at;
		__u32 length;

		if (next == IPPROTO_TCP)
			return PARSED;
		if (next == IPPROTO_FRAGMENT)
			return LB_INGRESS_FRAGMENT;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS)
			return LB_INGRESS_NOT_TCP;
		if ((void *)(extension + 1) > p->end)
			return LB_INGRESS_MALFORMED;
		length = (extension->length + 1) * 8;
		if (length > p->payload)
			return LB_INGRESS_MALFORMED;
		next = extension->next;
		p->at += length;
		p->payload -= length;
	}
	return next == IPPROTO_TCP ? PARSED : LB_INGRESS_NOT_TCP;
}

static __always_inline int parse_ipv6(struct parser *p, struct flow *flow)
{
	struct ipv6hdr *ip = p->at;
	int reason;

	if ((void *)(ip + 1) > p->end || ip->version != 6)
		return LB_INGRESS_MALFORMED;
	p->payload = bpf_ntohs(ip->payload_len);
	if (!parse_is_whole(p, sizeof(*ip) + p->payload))
		return LB_INGRESS_MALFORMED;
	__builtin_memcpy(&flow->client, &ip->saddr, sizeof(flow->client));
	__builtin_memcpy(&flow->service, &ip->daddr, sizeof(flow->service));
	flow->is_v6 = true;
	p->at += sizeof(*ip);
	reason = parse_extensions(p, ip->nexthdr);
	return reason == PARSED ? parse_tcp(p, flow) : reason;
}

/* PARSED, or the reason to pass the frame up. */
static __always_inline int parse(struct xdp_md *ctx, struct flow *flow)
{
	struct parser p = {
		.ctx = ctx,
		.at = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	struct ethhdr *eth = p.at;
	__be16 protocol;

	if ((void *)(eth + 1) > p.end)
		return LB_INGRESS_MALFORMED;
	protocol = eth->h_proto;
	p.at += sizeof(*eth);
	for (int i = 0; i < PARSE_VLANS; i++) {
		struct vlan_tag *tag = p.at;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(tag + 1) > p.end)
			return LB_INGRESS_MALFORMED;
		protocol = tag->protocol;
		p.at += sizeof(*tag);
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return parse_ipv4(&p, flow);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(&p, flow);
	return LB_INGRESS_NOT_IP;
}

#endif

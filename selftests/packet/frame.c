/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <string.h>

static void put16(uint8_t **at, uint16_t value)
{
	*(*at)++ = value >> 8;
	*(*at)++ = value & 0xff;
}

static int is_v6(const struct frame *frame)
{
	return strchr(frame->service, ':') != NULL;
}

static void build_ethernet(const struct frame *frame, uint8_t **at)
{
	uint16_t type = frame->ethertype ? frame->ethertype : is_v6(frame) ? ETH_P_IPV6 : ETH_P_IP;

	*at += 2 * ETH_ALEN;
	for (int i = 0; i < frame->vlans; i++) {
		put16(at, i + 1 < frame->vlans ? ETH_P_8021AD : ETH_P_8021Q);
		put16(at, 100 + i);
	}
	put16(at, type);
}

static size_t tcp_length(const struct frame *frame)
{
	return sizeof(struct tcphdr) + frame->tcp_options + frame->payload;
}

static void build_ipv4(const struct frame *frame, uint8_t **at)
{
	size_t header = sizeof(struct iphdr) + frame->ip_options;
	struct iphdr ip = {
		.version = frame->version ? frame->version : 4,
		.ihl = frame->ihl ? frame->ihl : header / 4,
		.tot_len = htons(header + tcp_length(frame) + frame->length_delta),
		.frag_off = htons(frame->fragment),
		.ttl = 64,
		.protocol = frame->protocol ? frame->protocol : IPPROTO_TCP,
	};

	assert(inet_pton(AF_INET, frame->client, &ip.saddr) == 1);
	assert(inet_pton(AF_INET, frame->service, &ip.daddr) == 1);
	memcpy(*at, &ip, sizeof(ip));
	memset(*at + sizeof(ip), 1, frame->ip_options); /* no operation */
	*at += header;
}

static void build_extensions(const struct frame *frame, uint8_t **at, uint8_t last)
{
	for (int i = 0; i < frame->extension_count; i++) {
		(*at)[0] = i + 1 < frame->extension_count ? frame->extensions[i + 1] : last;
		(*at)[1] = frame->extension_length;
		*at += 8 * (1 + frame->extension_length);
	}
}

static void build_ipv6(const struct frame *frame, uint8_t **at)
{
	uint8_t last = frame->protocol ? frame->protocol : IPPROTO_TCP;
	size_t extensions = frame->extension_count * 8 * (1 + frame->extension_length);
	struct ipv6hdr ip = {
		.version = frame->version ? frame->version : 6,
		.payload_len = htons(extensions + tcp_length(frame) + frame->length_delta),
		.nexthdr = frame->extension_count ? frame->extensions[0] : last,
		.hop_limit = 64,
	};

	assert(inet_pton(AF_INET6, frame->client, &ip.saddr) == 1);
	assert(inet_pton(AF_INET6, frame->service, &ip.daddr) == 1);
	memcpy(*at, &ip, sizeof(ip));
	*at += sizeof(ip);
	build_extensions(frame, at, last);
}

static void build_tcp(const struct frame *frame, uint8_t **at)
{
	struct tcphdr tcp = {
		.source = htons(frame->client_port),
		.dest = htons(frame->service_port),
		.ack_seq = htonl(frame->ack),
		.doff = frame->doff ? frame->doff : (sizeof(tcp) + frame->tcp_options) / 4,
		.fin = !!(frame->flags & FIN),
		.syn = !!(frame->flags & SYN),
		.rst = !!(frame->flags & RST),
		.ack = !!(frame->flags & ACK),
	};

	memcpy(*at, &tcp, sizeof(tcp));
	*at += tcp_length(frame);
}

size_t frame_build(const struct frame *frame, uint8_t *buffer)
{
	uint8_t *at = buffer;

	memset(buffer, 0, FRAME_ROOM);
	build_ethernet(frame, &at);
	if (is_v6(frame))
		build_ipv6(frame, &at);
	else
		build_ipv4(frame, &at);
	build_tcp(frame, &at);
	return at + frame->pad - buffer;
}

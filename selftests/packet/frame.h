/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for the packet tests, from what a row says of them.  Checksums are left 0: nobody looks. */
#ifndef TEST_FRAME_H
#define TEST_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum { FRAME_ROOM = 12288, FRAME_EXTENSIONS = 8 };

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 }; /* RFC 9293, 3.1 */

struct frame {
	const char *client, *service; /* addresses of one family; they say the IP version */
	uint16_t client_port, service_port;
	uint8_t flags;
	/* From here on 0 means: as it should be. */
	uint32_t ack; /* acknowledgement number */
	uint8_t vlans;
	uint16_t ethertype;  /* lies about what follows */
	uint8_t ip_options;  /* bytes, IPv4 */
	uint8_t tcp_options; /* bytes */
	uint16_t fragment;   /* the field of IPv4 with the flags and the offset */
	uint8_t protocol;    /* lies about what follows */
	uint8_t version, doff, ihl;
	int length_delta; /* added to the IP header's length field */
	uint8_t extension_count, extensions[FRAME_EXTENSIONS]; /* IPv6 */
	uint8_t extension_length; /* field of each: units of 8 bytes, the first not counted */
	uint16_t payload;         /* bytes after TCP's header */
	uint16_t pad;             /* bytes after the IP packet, as Ethernet pads */
};

/* Returns the length; buffer has FRAME_ROOM bytes. */
size_t frame_build(const struct frame *frame, uint8_t *buffer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Client address prefixes: 16 bytes everywhere, IPv4 as v4-mapped.  Pure. */
#ifndef LBSTATIC_ACCESS_H
#define LBSTATIC_ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

struct address {
	unsigned char byte[16];
};

struct prefix {
	struct address address;
	unsigned bits; /* 0..128 */
	bool is_all;   /* both families; ::/0 is IPv6 alone */
};

/* "all", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32"; 0 or -EINVAL, also of bits beyond the length. */
int prefix_parse(struct prefix *prefix, const char *text);
bool prefix_match(const struct prefix *prefix, const struct address *address);

struct address address_of(const struct sockaddr *socket_address);
enum { ADDRESS_TEXT_BYTES = 46 };
/* "192.0.2.1" or "2001:db8::1"; returns text. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES]);

#endif

// SPDX-License-Identifier: Apache-2.0
#include "static/options/access.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { V4_BITS = 96 }; /* of 128, before the 32 of a mapped address */

static const unsigned char v4_mapped[V4_BITS / 8] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const struct address *address)
{
	return !memcmp(address->byte, v4_mapped, sizeof(v4_mapped));
}

/* Returns the number of bits that an address of this family leaves out of 128, or -EINVAL. */
static int parse_address(struct address *address, const char *text)
{
	if (inet_pton(AF_INET6, text, address->byte) == 1)
		return 0;
	memcpy(address->byte, v4_mapped, sizeof(v4_mapped));
	return inet_pton(AF_INET, text, address->byte + 12) == 1 ? V4_BITS : -EINVAL;
}

static bool has_host_bits(const struct prefix *prefix)
{
	for (unsigned bit = prefix->bits; bit < 128; bit++)
		if (prefix->address.byte[bit / 8] & 0x80 >> bit % 8)
			return true;
	return false;
}

int prefix_parse(struct prefix *prefix, const char *text)
{
	char address[64], *slash, *end;
	unsigned long bits;
	int offset;

	memset(prefix, 0, sizeof(*prefix));
	prefix->is_all = !strcmp(text, "all");
	if (prefix->is_all)
		return 0;
	if (strlen(text) >= sizeof(address))
		return -EINVAL;
	slash = strchr(memcpy(address, text, strlen(text) + 1), '/');
	if (slash)
		*slash = '\0';
	offset = parse_address(&prefix->address, address);
	if (offset < 0)
		return offset;
	prefix->bits = 128;
	if (!slash)
		return 0;
	bits = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end || bits > 128U - offset)
		return -EINVAL;
	prefix->bits = bits + offset;
	return has_host_bits(prefix) ? -EINVAL : 0;
}

/* `all` is of both; ::/0 to ::/80, in which mapped addresses lie, is not meant of IPv4. */
static bool is_of_v6_alone(const struct prefix *prefix)
{
	return !prefix->is_all && prefix->bits < V4_BITS;
}

bool prefix_match(const struct prefix *prefix, const struct address *address)
{
	unsigned bytes = prefix->bits / 8, rest = prefix->bits % 8;
	unsigned char mask = 0xff00U >> rest;

	if (is_of_v6_alone(prefix) && is_v4(address))
		return false;
	if (memcmp(prefix->address.byte, address->byte, bytes))
		return false;
	return !rest || !((prefix->address.byte[bytes] ^ address->byte[bytes]) & mask);
}

struct address address_of(const struct sockaddr *socket_address)
{
	struct address address = {{0}};

	if (socket_address->sa_family == AF_INET6) {
		memcpy(address.byte, &((const struct sockaddr_in6 *)socket_address)->sin6_addr, 16);
	} else if (socket_address->sa_family == AF_INET) {
		memcpy(address.byte, v4_mapped, sizeof(v4_mapped));
		memcpy(address.byte + 12, &((const struct sockaddr_in *)socket_address)->sin_addr,
		       4);
	}
	return address;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
	if (is_v4(address))
		inet_ntop(AF_INET, address->byte + 12, text, ADDRESS_TEXT_BYTES);
	else
		inet_ntop(AF_INET6, address->byte, text, ADDRESS_TEXT_BYTES);
	return text;
}

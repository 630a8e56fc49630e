/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADDR_ALLOWED "write ADDRESS:PORT, such as 192.0.2.1:80 or [2001:db8::1]:80"

enum { V4_OFFSET = 12, V4_BITS = 96, ALL_BITS = 128 };

static const __u8 mapped[V4_OFFSET] = {[10] = 0xff, [11] = 0xff};

bool addr_is_v4(const struct lb_addr *addr)
{
	return memcmp(addr->bytes, mapped, sizeof(mapped)) == 0;
}

bool addr_is_any(const struct lb_addr *addr)
{
	struct lb_addr any;

	addr_any(!addr_is_v4(addr), &any);
	return memcmp(addr, &any, sizeof(any)) == 0;
}

bool addr_is_loopback(const struct lb_addr *addr)
{
	static const struct lb_addr loopback = {.bytes = {[15] = 1}};

	if (addr_is_v4(addr))
		return addr->bytes[V4_OFFSET] == 127;
	return memcmp(addr, &loopback, sizeof(loopback)) == 0;
}

void addr_any(bool is_v6, struct lb_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	if (!is_v6)
		memcpy(addr->bytes, mapped, sizeof(mapped));
}

void addr_loopback(bool is_v6, struct lb_addr *addr)
{
	addr_any(is_v6, addr);
	if (!is_v6)
		addr->bytes[12] = 127;
	addr->bytes[15] = 1;
}

/* Of the text without brackets; 0 when it is an address. */
static int parse_plain(const char *text, struct lb_addr *addr)
{
	addr_any(false, addr);
	if (inet_pton(AF_INET, text, addr->bytes + V4_OFFSET) == 1)
		return 0;
	return inet_pton(AF_INET6, text, addr->bytes) == 1 ? 0 : -EINVAL;
}

/* Of length bytes, which may be "[...]"; a bracketed IPv4 address is refused. */
static int parse_bytes(const char *text, size_t length, struct lb_addr *addr)
{
	char plain[INET6_ADDRSTRLEN];
	bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';

	if (bracketed) {
		text++;
		length -= 2;
	}
	if (length >= sizeof(plain))
		return -EINVAL;
	memcpy(plain, text, length);
	plain[length] = '\0';
	if (bracketed && !strchr(plain, ':'))
		return -EINVAL;
	return parse_plain(plain, addr);
}

int addr_parse(const char *text, struct lb_addr *addr, struct error *error)
{
	if (parse_bytes(text, strlen(text), addr) == 0 && addr_is_unicast(addr))
		return 0;
	return error_set(error, -EINVAL,
			 "\"%.80s\" is no address; write it as 192.0.2.1 or 2001:db8::1", text);
}

/* RFC 1122, 3.2.1.3; RFC 4291, 2.7. */
bool addr_is_unicast(const struct lb_addr *addr)
{
	unsigned first = addr->bytes[V4_OFFSET];

	if (!addr_is_v4(addr))
		return addr->bytes[0] != 0xff;
	return addr_is_any(addr) || (first != 0 && first < 224);
}

static int parse_port(const char *digits, unsigned *port)
{
	size_t length = strspn(digits, "0123456789");

	if (length == 0 || length > 5 || digits[length])
		return -EINVAL;
	*port = (unsigned)strtoul(digits, NULL, 10);
	return *port >= 1 && *port <= 65535 ? 0 : -EINVAL;
}

int addr_parse_endpoint(const char *text, struct lb_endpoint *endpoint, struct error *error)
{
	const char *colon = strrchr(text, ':');
	struct lb_addr whole;
	unsigned port;

	memset(endpoint, 0, sizeof(*endpoint));
	if (parse_bytes(text, strlen(text), &whole) == 0 && !addr_is_v4(&whole) && text[0] != '[')
		return error_set(error, -EINVAL,
				 "\"%.80s\" is an IPv6 address without brackets; " ADDR_ALLOWED,
				 text);
	if (!colon || (text[0] != '[' && strchr(text, ':') != colon) ||
	    parse_bytes(text, (size_t)(colon - text), &endpoint->addr))
		return error_set(error, -EINVAL, "\"%.80s\" is no address and port; " ADDR_ALLOWED,
				 text);
	if (!addr_is_unicast(&endpoint->addr))
		return error_set(error, -EINVAL,
				 "\"%.80s\" is no address that a host may have (multicast, "
				 "broadcast or reserved); " ADDR_ALLOWED,
				 text);
	if (parse_port(colon + 1, &port))
		return error_set(error, -EINVAL, "\"%.80s\" has port \"%.20s\"; ports are 1..65535",
				 text, colon + 1);
	endpoint->port = htons((uint16_t)port);
	endpoint->protocol = IPPROTO_TCP;
	return 0;
}

/* Whether bits beyond the prefix are set. */
static bool has_host_bits(const struct lb_addr *addr, unsigned bits)
{
	for (unsigned i = bits; i < ALL_BITS; i++)
		if (addr->bytes[i / 8] & (0x80U >> i % 8))
			return true;
	return false;
}

static int parse_bits(const char *text, const char *slash, const struct lb_addr *addr,
		      unsigned *bits, struct error *error)
{
	unsigned base = addr_is_v4(addr) ? V4_BITS : 0, most = ALL_BITS - base;
	size_t length = strspn(slash + 1, "0123456789");
	unsigned long written = strtoul(slash + 1, NULL, 10);

	if (length == 0 || length > 3 || slash[1 + length] || written > most)
		return error_set(error, -EINVAL,
				 "prefix \"%.80s\" has length \"%.20s\"; allowed: 0..%u", text,
				 slash + 1, most);
	*bits = base + (unsigned)written;
	return 0;
}

int addr_parse_prefix(const char *text, struct lb_addr *addr, unsigned *prefix_bits,
		      struct error *error)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);

	if (strcmp(text, "all") == 0) {
		addr_any(true, addr);
		*prefix_bits = 0;
		return 0;
	}
	if (parse_bytes(text, length, addr))
		return error_set(error, -EINVAL,
				 "\"%.80s\" is no prefix; write 192.0.2.0/24, 2001:db8::/32, an "
				 "address, or all",
				 text);
	*prefix_bits = ALL_BITS;
	if (slash && parse_bits(text, slash, addr, prefix_bits, error))
		return -EINVAL;
	if (has_host_bits(addr, *prefix_bits))
		return error_set(error, -EINVAL,
				 "prefix \"%.80s\" has bits set beyond its length; clear them, or "
				 "write a longer prefix",
				 text);
	return 0;
}

const char *addr_format(const struct lb_addr *addr, char *text)
{
	if (addr_is_v4(addr))
		inet_ntop(AF_INET, addr->bytes + V4_OFFSET, text, ADDR_TEXT_BYTES);
	else
		inet_ntop(AF_INET6, addr->bytes, text, ADDR_TEXT_BYTES);
	return text;
}

const char *addr_format_endpoint(const struct lb_endpoint *endpoint, char *text)
{
	bool v4 = addr_is_v4(&endpoint->addr);
	char plain[ADDR_TEXT_BYTES];

	snprintf(text, ADDR_TEXT_BYTES, v4 ? "%.46s:%u" : "[%.46s]:%u",
		 addr_format(&endpoint->addr, plain), ntohs(endpoint->port));
	return text;
}

socklen_t addr_to_sockaddr(const struct lb_endpoint *endpoint, struct sockaddr_storage *sa)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)sa;

	memset(sa, 0, sizeof(*sa));
	if (addr_is_v4(&endpoint->addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = endpoint->port;
		memcpy(&v4->sin_addr, endpoint->addr.bytes + V4_OFFSET, sizeof(v4->sin_addr));
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = endpoint->port;
	memcpy(&v6->sin6_addr, endpoint->addr.bytes, sizeof(v6->sin6_addr));
	return sizeof(*v6);
}

int addr_from_sockaddr(const struct sockaddr_storage *sa, struct lb_endpoint *endpoint)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;

	memset(endpoint, 0, sizeof(*endpoint));
	endpoint->protocol = IPPROTO_TCP;
	if (sa->ss_family == AF_INET) {
		addr_any(false, &endpoint->addr);
		memcpy(endpoint->addr.bytes + V4_OFFSET, &v4->sin_addr, sizeof(v4->sin_addr));
		endpoint->port = v4->sin_port;
		return 0;
	}
	if (sa->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(endpoint->addr.bytes, &v6->sin6_addr, sizeof(v6->sin6_addr));
	endpoint->port = v6->sin6_port;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as text: the one place where IPv4 and IPv6 differ in user space. */
#ifndef LB_ADDR_H
#define LB_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/error.h"
#include "lb/abi.h"

enum { ADDR_TEXT_BYTES = 64 }; /* "[address]:port" with its NUL */

/*
 * Parses "192.0.2.1:80", "[2001:db8::1]:80" into *endpoint (protocol TCP).  Ports are 1..65535.
 * -EINVAL with a line that says what was found and what is allowed.
 */
int addr_parse_endpoint(const char *text, struct lb_endpoint *endpoint, struct error *error);

/* Parses an address without port, "192.0.2.1" or "2001:db8::1" (also in brackets). */
int addr_parse(const char *text, struct lb_addr *addr, struct error *error);

/*
 * Parses "192.0.2.0/24", "2001:db8::/32", a bare address, or "all" (which matches both families).
 * *prefix_bits counts in the v4-mapped form: 96..128 for IPv4, 0..128 for IPv6.  Host bits set beyond
 * the prefix are refused.
 */
int addr_parse_prefix(const char *text, struct lb_addr *addr, unsigned *prefix_bits,
		      struct error *error);

/* Formats as parsed; text has ADDR_TEXT_BYTES.  Returns text. */
const char *addr_format_endpoint(const struct lb_endpoint *endpoint, char *text);
const char *addr_format(const struct lb_addr *addr, char *text);

bool addr_is_v4(const struct lb_addr *addr);
bool addr_is_any(const struct lb_addr *addr);         /* 0.0.0.0 or :: */
bool addr_is_unicast(const struct lb_addr *addr);     /* what one host may have; any is */
bool addr_is_loopback(const struct lb_addr *addr);    /* 127.0.0.0/8 or ::1 */
void addr_any(bool is_v6, struct lb_addr *addr);      /* sets 0.0.0.0 or :: */
void addr_loopback(bool is_v6, struct lb_addr *addr); /* sets 127.0.0.1 or ::1 */

/* To and from the kernel's form; returns the length that bind(2) wants. */
socklen_t addr_to_sockaddr(const struct lb_endpoint *endpoint, struct sockaddr_storage *sa);
int addr_from_sockaddr(const struct sockaddr_storage *sa, struct lb_endpoint *endpoint);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets count as a worker's, and which share a port, by what they are bound to.  Pure. */
#ifndef LB_LISTENERS_MATCH_H
#define LB_LISTENERS_MATCH_H

#include <stdbool.h>

#include "host/net/sockets.h"
#include "lb/abi.h"

/*
 * May a socket of the worker's that is bound there be its listener?  At the worker's address, at any
 * address, or at the loopback address of the other family.  As track has it.
 */
bool listeners_match(const struct lb_endpoint *worker, const struct lb_endpoint *bound);

/*
 * Is there an address to which both take connections?  By what the addresses are, not by the sockets' families: a
 * socket of IPv6 at ::ffff:192.0.2.1 takes IPv4.  both: the one at :: takes IPv4 as well.  This is the one answer to
 * which addresses share a port.
 */
struct match_at {
	const struct lb_endpoint *endpoint;
	bool both;
};
bool match_shares(struct match_at a, struct match_at b);

/* The same of a service, which takes IPv6 alone at ::, and a socket. */
bool match_service_shares(const struct lb_endpoint *listen, const struct sockets_listener *socket);

/*
 * Would binding a listener to that endpoint fail because of the socket, or with dual_stack, see inherit_open(), one of
 * the other family?
 */
bool match_blocks(const struct lb_endpoint *endpoint, bool dual_stack,
		  const struct sockets_listener *socket);

/* What dual_stack adds to an IPv4 address: ::1 to 127.0.0.1, :: to 0.0.0.0; false: nothing. */
bool match_counterpart(const struct lb_endpoint *v4, struct lb_endpoint *v6);

#endif

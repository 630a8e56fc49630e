/* SPDX-License-Identifier: Apache-2.0 */
/* Which sockets count as a worker's, by what they are bound to.  Pure. */
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

/* Would binding a listener to that endpoint fail because of the socket? */
bool match_blocks(const struct lb_endpoint *endpoint, const struct sockets_listener *socket);

#endif

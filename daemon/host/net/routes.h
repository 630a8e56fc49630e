/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes to the host itself, of this network namespace: what `ip route show table local` lists, as
 * rtnetlink(7) tells it (libmnl).  Stateless.
 */
#ifndef LB_ROUTES_H
#define LB_ROUTES_H

#include "lb/abi.h"

/*
 * Calls each for every destination, of both families, that the host takes for its own: its addresses,
 * 127.0.0.0/8, prefixes of `ip route add local`, anycast.  -EINTR: they changed meanwhile, ask again.
 */
int routes_each_local(void (*each)(void *arg, const struct lb_local_key *), void *arg);

/*
 * A descriptor that gets readable when some may have come or gone; -errno.  routes_watched() says that
 * it was seen, before they are asked for.
 */
int routes_watch(void);
void routes_watched(int fd);

#endif

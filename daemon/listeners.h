/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of local backends: which are there, and getting those into the kernel side that it did not
 * capture itself at listen(2) because they were listening before.
 */
#ifndef LB_LISTENERS_H
#define LB_LISTENERS_H

#include "pool.h"
#include "sockets.h"

/* Reads the kernel side's events as they come. */
int listeners_watch(struct model *model, sd_event_source **source);

/*
 * Looks at all listening sockets of the network namespace: captures what is a backend's and not in
 * place, tells backends what is there.  -errno of the look; a socket that cannot be taken (its owner is
 * in another pid namespace, say) becomes its backend's note.
 */
int listeners_scan(struct model *model);

/* The same, soon: once for however many ask for it. */
void listeners_scan_later(struct model *model);

/* Tells one backend what the kernel side has in its slots. */
void listeners_look(struct backend *backend);

/* listeners_match(), and no other backend has the very address that it is bound to. */
bool listeners_serves(const struct backend *backend, const struct sockets_listener *listener);

/* Would this socket serve that endpoint?  Bound to it, to any address, or to the other loopback.  Pure. */
bool listeners_match(const struct lb_endpoint *backend, const struct sockets_listener *listener);

#endif

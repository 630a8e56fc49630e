/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a listening socket is, by its address, its maker and its place in the kernel side.  Only looks. */
#ifndef LB_LISTENER_H
#define LB_LISTENER_H

#include <stdbool.h>

#include "host/net/sockets.h"

struct backend;
struct worker;

/*
 * Is it the backend's own?  Of a worker: made in its control group, on its port, see listeners_match(),
 * or opened for it by lbd; without a control group of its own any that matches, and whoever takes it has
 * to look for its process.  Else: bound to exactly the backend's address, and made by its `owner` if it names one.
 */
bool listener_is_own(const struct backend *backend, const struct sockets_listener *listener);

/* Whether the worker made it: told by its control group; without one, always. */
bool listener_is_made_by(const struct worker *worker, const struct sockets_listener *listener);

/* Is it where the kernel side takes the backend's listener from? */
bool listener_is_in_place(const struct backend *backend, const struct sockets_listener *listener);

#endif

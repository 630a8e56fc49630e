/* SPDX-License-Identifier: Apache-2.0 */
/* Simple questions about a backend, by what it is, its pool, and the kernel side's counts. */
#ifndef LB_QUERIES_H
#define LB_QUERIES_H

#include "host/net/sockets.h"
#include "model/backend.h"

/* By what its worker is run; NULL: it has none. */
const struct conf_worker *backend_worker_conf(const struct backend *backend);

bool backend_has_check(const struct backend *backend); /* by the configuration */
bool backend_listens(const struct backend *backend);   /* somewhere */

/* Would its worker fail to listen because of the socket? */
bool backend_is_blocked(const struct backend *backend, const struct sockets_listener *socket);

/* By the kernel side's count: open now, and all so far. */
uint32_t backend_connections(const struct backend *backend);
uint64_t backend_connections_ever(const struct backend *backend);

/* Of its next process: one that is kept out of service begins so. */
enum backend_goal backend_goal_of_start(const struct backend *backend);

#endif

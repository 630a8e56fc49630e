/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets in the order of their ports: those of one port are found without a look at all. */
#ifndef LB_SORTED_H
#define LB_SORTED_H

#include <stddef.h>

#include "host/net/sockets.h"

void sorted_by_port(struct sockets_listener *listeners, size_t count);

/* Index of the first of this port, or of a later one. */
size_t sorted_first(const struct sockets_listener *listeners, size_t count, __be16 port);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that clients are sent to and that have nobody for them: each connection is refused. */
#ifndef LB_NOBODY_H
#define LB_NOBODY_H

#include "pool.h"

/* A service names the pool, and none of its backends is up, or serves on though its check fails. */
bool nobody_serves(const struct pool *pool);

#endif

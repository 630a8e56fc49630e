/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that clients are sent to and that have nobody for them. */
#ifndef LB_NOBODY_H
#define LB_NOBODY_H

#include "model/pool.h"

/*
 * A service names the pool, and none of its backends is up, serves on though its check fails, or is on its way:
 * each connection is refused.
 */
bool nobody_serves(const struct pool *pool);

/* The same, but that one is on its way (coming.h): no connection is refused, they wait. */
bool nobody_serves_yet(const struct pool *pool);

#endif

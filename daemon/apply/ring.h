/* SPDX-License-Identifier: Apache-2.0 */
/* A pool's ring, built and written where it has changed. */
#ifndef LB_APPLY_RING_H
#define LB_APPLY_RING_H

#include "datapath/ring/ring.h"
#include "model/pool.h"

/* Of so many that may be chosen. */
bool apply_ring_needed(enum lb_scheduler scheduler, size_t enabled);

/* *entries: its length, for the pool's value, which is written after it.  -errno. */
int apply_ring(struct pool *pool, const struct ring_backend *chosen, size_t count,
	       uint32_t *entries);

/* Room for what the pool of that id is to become, so that writing it cannot fail for want of it. */
int apply_pool_room(const struct pool *pool);

#endif

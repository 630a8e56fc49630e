/* SPDX-License-Identifier: Apache-2.0 */
/* What the two kinds of rings have in common. */
#ifndef LB_RING_SHARE_H
#define LB_RING_SHARE_H

#include "datapath/ring/ring.h"

enum { RING_BACKENDS_MAX = 65534 };

/* Those of weight > 0, in an order that depends on their names alone; NULL when out of memory. */
struct ring_backend *ring_sorted(const struct ring_backend *backends, size_t *count);

/*
 * Weights (> 0) in lowest terms, raised where needed so that each comes to an entry of `size`, if there
 * is one for each; NULL when out of memory.
 */
uint32_t *ring_weights(const struct ring_backend *backends, size_t count, size_t size);

#endif

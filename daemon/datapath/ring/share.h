/* SPDX-License-Identifier: Apache-2.0 */
/* What the two kinds of rings have in common: backends, their order and their weights.  Pure. */
#ifndef LB_RING_SHARE_H
#define LB_RING_SHARE_H

#include <stddef.h>
#include <stdint.h>

struct ring_backend {
	uint16_t id;     /* goes into the ring */
	uint16_t weight; /* 0 is left out */
	uint64_t name;   /* hash_bytes() of its endpoint, which its place depends on */
};

enum { RING_BACKENDS_MAX = 65534 };

/* Those of weight > 0, in an order that depends on their names alone; NULL when out of memory. */
struct ring_backend *ring_sorted(const struct ring_backend *backends, size_t *count);

/* Sum of the weights, each divided by what all have in common, which goes to *unit. */
uint64_t ring_weight_sum(const struct ring_backend *backends, size_t count, uint32_t *unit);

/*
 * Weights (> 0) in lowest terms, raised where needed so that each comes to an entry of `size`, if there
 * is one for each; NULL when out of memory.
 */
uint32_t *ring_weights(const struct ring_backend *backends, size_t count, size_t size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings: the weighted tables that the kernel side indexes with a hash (maglev.c) or a cursor (ring.c).  Pure.
 */
#ifndef LB_RING_H
#define LB_RING_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/ring/share.h"

/*
 * Smallest of our primes (251 ... 65537) that holds 100 entries a unit of weight, as far as it goes.  A
 * unit is the weights' greatest common divisor.
 */
size_t ring_size(const struct ring_backend *backends, size_t count);

/*
 * Fills ring[size] by Maglev's algorithm (Eisenbud et al., NSDI 2016, 3.4) with weights; size is prime.
 * The order of backends does not matter.  -ENOMEM, -EINVAL (size no prime, no backend of weight > 0).
 */
int ring_maglev(uint16_t *ring, size_t size, const struct ring_backend *backends, size_t count);

/* A backend's order of preference: offset, offset + skip, ... modulo the ring's size; skip > 0. */
struct ring_preference {
	uint32_t offset, skip;
};

/* The algorithm alone, with preferences and turns in the order given; ring_maglev() without names. */
int ring_maglev_prefer(uint16_t *ring, size_t size, const struct ring_backend *backends,
		       const struct ring_preference *preferences, size_t count);

/*
 * Fills ring with a smooth weighted sequence (each backend's turns spread as evenly as can be) and
 * returns its length, at most max; weights are scaled down when their sum is more, but none to
 * nothing.  0 when there is no backend of weight > 0, or no memory.
 */
size_t ring_interleave(uint16_t *ring, size_t max, const struct ring_backend *backends,
		       size_t count);

#endif

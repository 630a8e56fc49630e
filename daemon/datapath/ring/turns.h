/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is: a sequence of backends in which each comes as often as its weight says, and its
 * turns lie as far apart as can be.  After any n turns a backend of weight w out of W in all has had
 * n*w/W of them, and less than one more or fewer.  Pure.
 *
 * Turn k of that backend may be taken from n = k*W/w on and is due by (k+1)*W/w; among those that may,
 * the earliest due is taken (WF2Q: Bennett, Zhang, INFOCOM 1996).  Those due at the same time go
 * heavier ones first, then in the order given, so equal weights are round robin.
 */
#ifndef LB_RING_TURNS_H
#define LB_RING_TURNS_H

#include <stddef.h>
#include <stdint.h>

struct ring_turns;

/* For `length` turns among count backends (1..65534) of weights > 0; NULL when out of memory. */
struct ring_turns *ring_turns_new(const uint32_t *weights, size_t count, size_t length);
void ring_turns_free(struct ring_turns *turns); /* takes NULL */

/* Index of the backend whose turn is next; to be called `length` times at most.  O(1), amortised. */
size_t ring_turns_next(struct ring_turns *turns);

#endif

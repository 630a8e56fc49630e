/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes that are equal on each host and after a restart: of names and settings, not of what somebody may choose in
 * order to collide.  Pure.
 */
#ifndef LB_HASH_H
#define LB_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Of a number, to a number: the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). */
uint64_t hash_mix(uint64_t x);

/* FNV-1a of 64 bits (Fowler, Noll, Vo), mixed, so that each of the bits is as good as another. */
uint64_t hash_bytes(const void *bytes, size_t length);

#endif

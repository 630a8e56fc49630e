/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * SipHash-c-d over whole 64-bit words: J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input
 * PRF", INDOCRYPT 2012.  Without the key nobody can say which inputs collide.  The last word carries
 * what is left of the message and, in its highest byte, the message's length in bytes modulo 256.
 *
 * Words are of the processor's byte order, little-endian as the paper's on all that we run on.
 */
#ifndef LB_SIPHASH_H
#define LB_SIPHASH_H

#include <linux/types.h>

#include "lb/abi.h"

enum {
	/* SipHash-1-3: what hash tables use, in Linux, Python, Ruby and Rust. */
	SIPHASH_ROUNDS = 1,
	SIPHASH_END_ROUNDS = 3,
};

struct siphash {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 siphash_turn(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static __always_inline void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = siphash_turn(s->v1, 13) ^ s->v0;
	s->v3 = siphash_turn(s->v3, 16) ^ s->v2;
	s->v0 = siphash_turn(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = siphash_turn(s->v1, 17) ^ s->v2;
	s->v3 = siphash_turn(s->v3, 21) ^ s->v0;
	s->v2 = siphash_turn(s->v2, 32);
}

static __always_inline void siphash_start(struct siphash *s, const struct lb_seed *seed)
{
	s->v0 = seed->key[0] ^ 0x736f6d6570736575ULL;
	s->v1 = seed->key[1] ^ 0x646f72616e646f6dULL;
	s->v2 = seed->key[0] ^ 0x6c7967656e657261ULL;
	s->v3 = seed->key[1] ^ 0x7465646279746573ULL;
}

static __always_inline void siphash_add(struct siphash *s, __u64 word, int rounds)
{
	s->v3 ^= word;
	for (int i = 0; i < rounds; i++)
		siphash_round(s);
	s->v0 ^= word;
}

static __always_inline __u64 siphash_end(struct siphash *s, int rounds)
{
	s->v2 ^= 0xff;
	for (int i = 0; i < rounds; i++)
		siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

#endif

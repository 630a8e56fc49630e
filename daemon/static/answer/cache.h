/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ready answers by raw request path and accepted codings, least recently used out first.  An answer is
 * made anew when it is older than cache_valid: a changed file shows within that time.
 */
#ifndef LBSTATIC_CACHE_H
#define LBSTATIC_CACHE_H

#include "static/answer/answer.h"

struct cache {
	struct answer **bucket;
	unsigned mask; /* buckets - 1 */
	unsigned count, count_max;
	uint64_t bytes, bytes_max;
	struct answer *newest, *oldest;
};

int cache_init(struct cache *cache, const struct limits *limits);
void cache_free(struct cache *cache);

/* A fresh answer (made at or after oldest_ms), not referenced for the caller, or NULL. */
struct answer *cache_get(struct cache *cache, struct slice key, unsigned codings,
			 uint64_t oldest_ms);

/* Keeps a reference of its own, in place of an older answer of the same key. */
void cache_put(struct cache *cache, struct answer *answer, unsigned codings, uint64_t now_ms);

/* Lets go of everything made before oldest_ms: idle servers keep no memory and no descriptors. */
void cache_trim(struct cache *cache, uint64_t oldest_ms);

/* Lets go of the least recently used answer, e.g. for its descriptor; false when there is none. */
bool cache_drop_oldest(struct cache *cache);

#endif

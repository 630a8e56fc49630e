// SPDX-License-Identifier: Apache-2.0
#include "static/answer/cache.h"

#include <errno.h>
#include <stdlib.h>

/* FNV-1a with a seed of the process: which keys collide cannot be worked out from outside. */
static uint32_t hash_of(const struct cache *cache, struct slice key, unsigned codings)
{
	uint64_t hash = 0xcbf29ce484222325ULL ^ (uintptr_t)cache->bucket ^ codings;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.at[i]) * 0x100000001b3ULL;
	return hash ^ hash >> 32;
}

int cache_init(struct cache *cache, const struct limits *limits)
{
	unsigned buckets = 64;

	while (buckets < limits->cache_files)
		buckets *= 2;
	*cache = (struct cache){
		.bucket = calloc(buckets, sizeof(struct answer *)),
		.mask = buckets - 1,
		.count_max = limits->cache_files,
		.bytes_max = limits->cache_bytes,
	};
	return cache->bucket ? 0 : -ENOMEM;
}

static void unlink_age(struct cache *cache, struct answer *answer)
{
	*(answer->newer ? &answer->newer->older : &cache->newest) = answer->older;
	*(answer->older ? &answer->older->newer : &cache->oldest) = answer->newer;
}

static void link_newest(struct cache *cache, struct answer *answer)
{
	answer->newer = NULL;
	answer->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = answer;
	cache->newest = answer;
}

static void drop_answer(struct cache *cache, struct answer *answer)
{
	struct answer **at = &cache->bucket[answer->hash & cache->mask];

	while (*at != answer)
		at = &(*at)->next_in_bucket;
	*at = answer->next_in_bucket;
	unlink_age(cache, answer);
	cache->count--;
	cache->bytes -= answer->bytes;
	answer_unref(answer);
}

void cache_free(struct cache *cache)
{
	while (cache_drop_oldest(cache))
		;
	free(cache->bucket);
}

static struct answer *find_kept(struct cache *cache, struct slice key, unsigned codings,
				uint32_t hash)
{
	struct answer *answer = cache->bucket[hash & cache->mask];

	for (; answer; answer = answer->next_in_bucket)
		if (answer->hash == hash && answer->codings == codings &&
		    answer->key.len == key.len && !memcmp(answer->key.at, key.at, key.len))
			return answer;
	return NULL;
}

struct answer *cache_get(struct cache *cache, struct slice key, unsigned codings,
			 uint64_t oldest_ms)
{
	struct answer *answer = find_kept(cache, key, codings, hash_of(cache, key, codings));

	if (!answer || answer->made_ms < oldest_ms)
		return NULL;
	if (answer != cache->newest) {
		unlink_age(cache, answer);
		link_newest(cache, answer);
	}
	return answer;
}

void cache_put(struct cache *cache, struct answer *answer, unsigned codings, uint64_t now_ms)
{
	uint32_t hash = hash_of(cache, answer->key, codings);
	struct answer *before = find_kept(cache, answer->key, codings, hash);

	if (before)
		drop_answer(cache, before);
	if (!cache->count_max || answer->bytes > cache->bytes_max)
		return;
	while (cache->count >= cache->count_max || cache->bytes + answer->bytes > cache->bytes_max)
		drop_answer(cache, cache->oldest);
	answer->made_ms = now_ms;
	answer->codings = codings;
	answer->hash = hash;
	answer->next_in_bucket = cache->bucket[hash & cache->mask];
	cache->bucket[hash & cache->mask] = answer;
	link_newest(cache, answer);
	cache->count++;
	cache->bytes += answer->bytes;
	answer_ref(answer);
}

void cache_trim(struct cache *cache, uint64_t oldest_ms)
{
	struct answer *answer = cache->oldest, *newer;

	for (; answer; answer = newer) {
		newer = answer->newer;
		if (answer->made_ms < oldest_ms)
			drop_answer(cache, answer);
	}
}

bool cache_drop_oldest(struct cache *cache)
{
	if (!cache->oldest)
		return false;
	drop_answer(cache, cache->oldest);
	return true;
}

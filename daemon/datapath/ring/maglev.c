/* SPDX-License-Identifier: Apache-2.0 */
/* Maglev's tables: see ring_maglev(). */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "datapath/ring/ring.h"

/* From FEW free entries on, each is asked for its rank: to look for one takes size / free steps. */
enum { WORD_BITS = 64, FEW = 128, SIZE_MAX_ALLOWED = 1 << 20 };

/* In 32.32 fixed point: turn k is due at k times this. */
static uint64_t step_of(uint32_t weight, uint64_t sum)
{
	return (sum << 32) / weight;
}

/*
 * Indices of the backends in the order of their turns, at least `most` - count of them: a counting sort
 * by when they are due; those due at the same time stay in the order given.  Equal weights are the
 * paper's round robin.
 */
static void order_turns(const uint32_t *weights, size_t count, size_t most, uint32_t *starts,
			uint16_t *turns)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += weights[i];
	for (size_t i = 0; i < count; i++)
		for (uint64_t step = step_of(weights[i], sum), due = step; due >> 32 <= most;
		     due += step)
			starts[(due >> 32) + 1]++;
	for (size_t i = 0; i <= most; i++)
		starts[i + 1] += starts[i];
	for (size_t i = 0; i < count; i++)
		for (uint64_t step = step_of(weights[i], sum), due = step; due >> 32 <= most;
		     due += step)
			turns[starts[due >> 32]++] = (uint16_t)i;
}

static uint16_t *turns_new(const uint32_t *weights, size_t count, size_t most)
{
	uint16_t *turns = malloc((most + count) * sizeof(*turns));
	uint32_t *starts = calloc(most + 2, sizeof(*starts));

	if (turns && starts) {
		order_turns(weights, count, most, starts, turns);
	} else {
		free(turns);
		turns = NULL;
	}
	free(starts);
	return turns;
}

struct filling {
	uint16_t *ring;
	size_t size;
	const struct ring_backend *backends;
	struct ring_preference *at; /* offset: where a backend looks next */
	uint64_t *taken;            /* a bit for each entry */
};

static bool is_taken(const struct filling *fill, uint32_t entry)
{
	return fill->taken[entry / WORD_BITS] >> entry % WORD_BITS & 1;
}

static void take_entry(struct filling *fill, size_t who, uint32_t entry)
{
	fill->taken[entry / WORD_BITS] |= 1ULL << entry % WORD_BITS;
	fill->ring[entry] = fill->backends[who].id;
	fill->at[who].offset = entry;
}

/* Each in turn takes the first free entry in its order of preference (the paper's figure 1). */
static void fill_most(struct filling *fill, const uint16_t *turns, size_t count)
{
	uint32_t size = (uint32_t)fill->size;

	for (size_t i = 0; i < count; i++) {
		uint32_t entry = fill->at[turns[i]].offset, skip = fill->at[turns[i]].skip;

		while (is_taken(fill, entry)) {
			entry += skip;
			if (entry >= size)
				entry -= size;
		}
		take_entry(fill, turns[i], entry);
	}
}

/* 1/number modulo a prime, by Euclid's algorithm. */
static uint64_t inverse(uint32_t number, uint32_t prime)
{
	int64_t a = prime, b = number, x = 0, y = 1;

	while (b) {
		int64_t quotient = a / b, rest = a % b, z = x - quotient * y;

		a = b;
		b = rest;
		x = y;
		y = z;
	}
	return (uint64_t)(x < 0 ? x + prime : x);
}

/* The free entry that comes first in the order of preference; its place among the free ones. */
static size_t first_of(const struct filling *fill, size_t who, const uint32_t *free_entries,
		       size_t count)
{
	uint32_t prime = (uint32_t)fill->size;
	uint64_t per_skip = inverse(fill->at[who].skip, prime), least = prime;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t distance = free_entries[i] + prime - fill->at[who].offset;
		uint64_t rank = distance * per_skip % prime;

		if (rank < least) {
			least = rank;
			found = i;
		}
	}
	return found;
}

static void fill_rest(struct filling *fill, const uint16_t *turns)
{
	uint32_t free_entries[FEW];
	size_t count = 0;

	for (uint32_t entry = 0; entry < fill->size; entry++)
		if (!is_taken(fill, entry))
			free_entries[count++] = entry;
	while (count > 0) {
		size_t found = first_of(fill, *turns, free_entries, count);

		take_entry(fill, *turns++, free_entries[found]);
		free_entries[found] = free_entries[--count];
	}
}

int ring_maglev_prefer(uint16_t *ring, size_t size, const struct ring_backend *backends,
		       const struct ring_preference *preferences, size_t count)
{
	uint32_t *weights = ring_weights(backends, count, size);
	uint16_t *turns = weights ? turns_new(weights, count, size + count) : NULL;
	struct filling fill = {.ring = ring, .size = size, .backends = backends};
	size_t most = size > FEW ? size - FEW : 0;
	int code = -ENOMEM;

	fill.at = malloc(count * sizeof(*fill.at));
	fill.taken = calloc(size / WORD_BITS + 1, sizeof(*fill.taken));
	if (turns && fill.at && fill.taken) {
		memcpy(fill.at, preferences, count * sizeof(*fill.at));
		fill_most(&fill, turns, most);
		fill_rest(&fill, turns + most);
		code = 0;
	}
	free(fill.taken);
	free(fill.at);
	free(turns);
	free(weights);
	return code;
}

static bool is_prime(size_t number)
{
	for (size_t i = 2; i * i <= number; i++)
		if (number % i == 0)
			return false;
	return number > 1;
}

static struct ring_preference *prefer(const struct ring_backend *backends, size_t count,
				      size_t size)
{
	struct ring_preference *preferences = malloc(count * sizeof(*preferences));

	for (size_t i = 0; preferences && i < count; i++) {
		preferences[i].offset = (uint32_t)(hash_mix(backends[i].name) % size);
		preferences[i].skip = (uint32_t)(hash_mix(~backends[i].name) % (size - 1) + 1);
	}
	return preferences;
}

int ring_maglev(uint16_t *ring, size_t size, const struct ring_backend *backends, size_t count)
{
	struct ring_backend *kept = ring_sorted(backends, &count);
	struct ring_preference *preferences = NULL;
	int code = -ENOMEM;

	if (kept &&
	    (size > SIZE_MAX_ALLOWED || !is_prime(size) || count == 0 || count > RING_BACKENDS_MAX))
		code = -EINVAL;
	else if (kept)
		preferences = prefer(kept, count, size);
	if (preferences)
		code = ring_maglev_prefer(ring, size, kept, preferences, count);
	free(preferences);
	free(kept);
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ring/ring.h"

#include <stdlib.h>

#include "datapath/ring/share.h"
#include "datapath/ring/turns.h"

enum { ENTRIES_PER_UNIT = 100 };

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Sum of the weights, each divided by what all have in common, which goes to *unit. */
static uint64_t weight_sum(const struct ring_backend *backends, size_t count, uint32_t *unit)
{
	uint64_t sum = 0;

	*unit = 0;
	for (size_t i = 0; i < count; i++) {
		sum += backends[i].weight;
		*unit = common_divisor(backends[i].weight, *unit);
	}
	return *unit ? sum / *unit : 0;
}

size_t ring_size(const struct ring_backend *backends, size_t count)
{
	static const uint32_t primes[] = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65537};
	enum { PRIMES = sizeof(primes) / sizeof(*primes) };
	uint32_t unit;
	uint64_t wanted = weight_sum(backends, count, &unit) * ENTRIES_PER_UNIT;
	size_t i = 0;

	while (i + 1 < PRIMES && primes[i] < wanted)
		i++;
	return primes[i];
}

/*
 * Those that would come to less than one entry are raised to it:
 * c * size / (sum + count * c) >= 1 for c = sum / (size - count).
 */
uint32_t *ring_weights(const struct ring_backend *backends, size_t count, size_t size)
{
	uint32_t *weights = malloc(count * sizeof(*weights)), unit, least = 1;
	uint64_t sum = weight_sum(backends, count, &unit);

	if (!weights)
		return NULL;
	if (sum > size && size > count)
		least = (uint32_t)((sum + size - count - 1) / (size - count));
	for (size_t i = 0; i < count; i++) {
		weights[i] = backends[i].weight / unit;
		if (weights[i] < least)
			weights[i] = least;
	}
	return weights;
}

static int by_name(const void *a, const void *b)
{
	const struct ring_backend *x = a, *y = b;

	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

struct ring_backend *ring_sorted(const struct ring_backend *backends, size_t *count)
{
	struct ring_backend *copy = malloc((*count + 1) * sizeof(*copy));
	size_t kept = 0;

	if (!copy)
		return NULL;
	for (size_t i = 0; i < *count; i++)
		if (backends[i].weight > 0)
			copy[kept++] = backends[i];
	qsort(copy, kept, sizeof(*copy), by_name);
	*count = kept;
	return copy;
}

/* ring[length] from the sorted ones; 0 or -1. */
static int interleave(uint16_t *ring, size_t length, const struct ring_backend *backends,
		      size_t count)
{
	uint32_t *weights = ring_weights(backends, count, length);
	struct ring_turns *turns = weights ? ring_turns_new(weights, count, length) : NULL;

	for (size_t i = 0; turns && i < length; i++)
		ring[i] = backends[ring_turns_next(turns)].id;
	free(weights);
	ring_turns_free(turns);
	return turns ? 0 : -1;
}

size_t ring_interleave(uint16_t *ring, size_t max, const struct ring_backend *backends,
		       size_t count)
{
	struct ring_backend *kept = ring_sorted(backends, &count);
	uint64_t length = 0;
	uint32_t unit;

	if (kept && count <= RING_BACKENDS_MAX)
		length = weight_sum(kept, count, &unit);
	if (length > max)
		length = max;
	if (length > 0 && interleave(ring, length, kept, count))
		length = 0;
	free(kept);
	return length;
}

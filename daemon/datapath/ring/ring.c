/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ring/ring.h"

#include <stdlib.h>

#include "datapath/ring/share.h"
#include "datapath/ring/turns.h"

enum { ENTRIES_PER_UNIT = 100 };

size_t ring_size(const struct ring_backend *backends, size_t count)
{
	static const uint32_t primes[] = {251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65537};
	enum { PRIMES = sizeof(primes) / sizeof(*primes) };
	uint32_t unit;
	uint64_t wanted = ring_weight_sum(backends, count, &unit) * ENTRIES_PER_UNIT;
	size_t i = 0;

	while (i + 1 < PRIMES && primes[i] < wanted)
		i++;
	return primes[i];
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
		length = ring_weight_sum(kept, count, &unit);
	if (length > max)
		length = max;
	if (length > 0 && interleave(ring, length, kept, count))
		length = 0;
	free(kept);
	return length;
}

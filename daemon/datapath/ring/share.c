/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/ring/share.h"

#include <stdlib.h>

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

uint64_t ring_weight_sum(const struct ring_backend *backends, size_t count, uint32_t *unit)
{
	uint64_t sum = 0;

	*unit = 0;
	for (size_t i = 0; i < count; i++) {
		sum += backends[i].weight;
		*unit = common_divisor(backends[i].weight, *unit);
	}
	return *unit ? sum / *unit : 0;
}

/*
 * Those that would come to less than one entry are raised to it:
 * c * size / (sum + count * c) >= 1 for c = sum / (size - count).
 */
uint32_t *ring_weights(const struct ring_backend *backends, size_t count, size_t size)
{
	uint32_t *weights = malloc(count * sizeof(*weights)), unit, least = 1;
	uint64_t sum = ring_weight_sum(backends, count, &unit);

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

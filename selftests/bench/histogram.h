/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log-linear histogram of durations in nanoseconds: 128 buckets for each power of two, so that a
 * percentile is at most 0.8 % too high, up to 2^40 ns (18 minutes).  The mean and the largest are exact.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 7,
	HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS,
	HISTOGRAM_MAX_BITS = 40,
	HISTOGRAM_BUCKETS = (HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB,
};

struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint32_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned int histogram_index(uint64_t value)
{
	unsigned int shift;

	if (value < HISTOGRAM_SUB)
		return value;
	if (value >> HISTOGRAM_MAX_BITS)
		return HISTOGRAM_BUCKETS - 1;
	shift = 63 - __builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return (shift + 1) * HISTOGRAM_SUB + (value >> shift) - HISTOGRAM_SUB;
}

/* The largest value that belongs to a bucket. */
static inline uint64_t histogram_top(unsigned int index)
{
	unsigned int shift = index / HISTOGRAM_SUB;

	if (!shift)
		return index;
	shift--;
	return ((uint64_t)(HISTOGRAM_SUB + index % HISTOGRAM_SUB + 1) << shift) - 1;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->buckets[histogram_index(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
}

/* The value that `share` (0..1) of all values do not exceed; 0 when there are none. */
static inline uint64_t histogram_percentile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->count + 0.999999);
	uint64_t seen = 0;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen && seen >= wanted)
			return histogram_top(i) < h->max ? histogram_top(i) : h->max;
	}
	return h->max;
}

static inline double histogram_mean(const struct histogram *h)
{
	return h->count ? (double)h->sum / (double)h->count : 0;
}

#endif

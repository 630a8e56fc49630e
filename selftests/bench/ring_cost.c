/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to build the rings: median and least of repeated runs. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/hash.h"
#include "datapath/ring/ring.h"
#include "lb/abi.h"

enum { RUNS = 51 };

static const struct {
	const char *name;
	size_t backends;
	unsigned weight_max; /* weights go 1..weight_max */
} rows[] = {
	{"4 equal backends", 4, 1},
	{"1000 equal backends", 1000, 1},
	{"1000 weighted backends", 1000, 1000},
	{"4096 weighted backends", 4096, 1000},
};

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void make(struct ring_backend *backends, size_t count, unsigned weight_max)
{
	for (size_t i = 0; i < count; i++) {
		backends[i].id = (uint16_t)i;
		backends[i].weight = (uint16_t)(1 + i * 7919 % weight_max);
		backends[i].name = hash_bytes(&i, sizeof(i));
	}
}

static void measure(const char *name, const struct ring_backend *backends, size_t count, int maglev)
{
	static uint16_t ring[LB_RING_MAX];
	double ms[RUNS];

	for (int run = 0; run < RUNS; run++) {
		double start = now_ms();

		if (maglev ? ring_maglev(ring, LB_RING_MAX, backends, count)
			   : ring_interleave(ring, LB_RING_MAX, backends, count) == 0)
			exit(1);
		ms[run] = now_ms() - start;
	}
	qsort(ms, RUNS, sizeof(*ms), by_value);
	printf("ring of %s, %s: median %.2f ms, least %.2f ms\n", name,
	       maglev ? "maglev, 65537 entries" : "interleaved", ms[RUNS / 2], ms[0]);
}

int main(void)
{
	static struct ring_backend backends[LB_MAX_BACKENDS];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		make(backends, rows[i].backends, rows[i].weight_max);
		measure(rows[i].name, backends, rows[i].backends, 1);
		measure(rows[i].name, backends, rows[i].backends, 0);
	}
	return 0;
}

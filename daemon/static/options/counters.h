/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers about the work done.  With `counters FILE` they live in that file, mapped, so that anybody
 * who may read it has them without asking: records of 32 bytes, a name of 24 (NUL-padded) and a
 * 64-bit number in the host's byte order.
 */
#ifndef LBSTATIC_COUNTERS_H
#define LBSTATIC_COUNTERS_H

#include "static/ground/fault.h"
#include "static/options/options.h"

#include <stdint.h>

struct counter {
	char name[24];
	uint64_t value;
};

_Static_assert(sizeof(struct counter) == 32, "counter record");

struct counters {
	struct counter connections_accepted, connections_open, connections_evicted, accept_paused,
		requests, responses_2xx, responses_3xx, responses_4xx, responses_5xx, bytes_sent,
		cache_hits, cache_misses, timeouts, aborted;
};

/* In memory alone when the options name no file; 0 or -errno with fault. */
int counters_open(struct counters **counters, const struct options *options, struct fault *fault);

#endif

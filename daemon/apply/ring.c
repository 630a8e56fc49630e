/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/ring.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hash.h"
#include "datapath/datapath.h"
#include "model/choice.h"

enum { INTERLEAVE_MAX = 4096 }; /* entries of a round-robin sequence */

bool apply_ring_needed(enum lb_scheduler scheduler, size_t enabled)
{
	return enabled && (scheduler != LB_LEAST_LOAD || enabled > LB_POOL_MEMBERS);
}

static uint64_t digest_ring(const uint16_t *ring, size_t count)
{
	return hash_bytes(ring, count * sizeof(*ring)) | 1;
}

int apply_ring(struct pool *pool, const struct ring_backend *chosen, size_t count,
	       uint32_t *entries)
{
	enum lb_scheduler scheduler = pool->conf->scheduler;
	size_t size = ring_size(chosen, count);
	uint16_t *ring = calloc(size > INTERLEAVE_MAX ? size : INTERLEAVE_MAX, sizeof(*ring));
	int err = 0;

	if (!ring)
		return -ENOMEM;
	if (scheduler == LB_MAGLEV || scheduler == LB_SOURCE_HASH)
		err = ring_maglev(ring, size, chosen, count);
	else
		size = ring_interleave(ring, INTERLEAVE_MAX, chosen, count);
	if (!err && digest_ring(ring, size) != pool->ring_digest) {
		err = datapath_set_ring(pool->model->dp, pool->id, ring, (uint32_t)size);
		pool->ring_digest = err ? 0 : digest_ring(ring, size);
	}
	*entries = (uint32_t)size;
	free(ring);
	return err;
}

/* By its new configuration, unless another was asked for by command. */
static unsigned weight_to_be(const struct pool *pool, size_t i)
{
	unsigned asked = i < pool->count ? pool->backends[i]->asked_weight : 0;

	return asked ? asked : pool->conf->backends[i].weight;
}

int apply_pool_room(const struct pool *pool)
{
	enum lb_scheduler scheduler = pool->conf->scheduler;
	size_t size = INTERLEAVE_MAX, count = pool->conf->backend_count;
	struct ring_backend *all;

	if (!apply_ring_needed(scheduler, count))
		return 0;
	if (scheduler == LB_MAGLEV || scheduler == LB_SOURCE_HASH) {
		all = calloc(count, sizeof(*all));
		if (!all)
			return -ENOMEM;
		for (size_t i = 0; i < count; i++)
			all[i].weight = (uint16_t)(weight_to_be(pool, i) * CHOICE_WEIGHT_SCALE);
		size = ring_size(all, count);
		free(all);
	}
	return datapath_grow_ring(pool->model->dp, pool->id, (uint32_t)size);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "log.h"
#include "ring.h"

enum { INTERLEAVE_MAX = 4096 }; /* entries of a round-robin sequence */

static int deferred(sd_event_source *source, void *arg)
{
	(void)source;
	apply_now(arg);
	return 0;
}

void apply_pool_later(struct pool *pool)
{
	struct model *model = pool->model;

	pool->dirty = true;
	if (!model->deferred &&
	    sd_event_add_defer(model->event, &model->deferred, deferred, model) < 0)
		return;
	sd_event_source_set_enabled(model->deferred, SD_EVENT_ONESHOT);
}

static uint16_t flags_of(const struct backend *backend, bool enabled)
{
	unsigned flags = enabled ? LB_BACKEND_ENABLED : 0;

	if (addr_is_any(&backend->endpoint.addr))
		flags |= LB_BACKEND_ANY_ADDRESS;
	return (uint16_t)flags;
}

static void publish_backend(struct backend *backend, bool enabled)
{
	struct lb_backend value = {
		.generation = backend->generation,
		.weight = (uint16_t)backend_effective_weight(backend),
		.flags = flags_of(backend, enabled),
		.max_connections = backend->max_connections,
	};
	int err;

	if (backend->is_published && !memcmp(&value, &backend->published, sizeof(value)))
		return;
	err = datapath_set_backend(backend->model->dp, backend->id, &value);
	if (err)
		log_error("%s: cannot write it to the kernel side: %s", backend->name,
			  strerror(-err));
	else
		backend->published = value;
	backend->is_published = !err;
}

void apply_backend(struct backend *backend)
{
	publish_backend(backend, backend_enabled(backend));
	if (backend->pool)
		apply_pool_later(backend->pool);
}

void apply_backend_anew(struct backend *backend)
{
	backend->is_published = false;
	apply_backend(backend);
}

/* The addresses by which a listener of this backend may be bound: see listeners_match(). */
static size_t aliases(const struct backend *backend, struct lb_endpoint keys[4])
{
	static const struct lb_addr loopbacks[2] = {
		{.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
		{.bytes = {[15] = 1}},
	};
	size_t count = 0;

	keys[count++] = backend->endpoint;
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		keys[count] = backend->endpoint;
		addr_any(is_v6, &keys[count].addr);
		if (!addr_is_any(&backend->endpoint.addr) ||
		    addr_is_v4(&backend->endpoint.addr) == !!is_v6)
			count++;
	}
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if (!memcmp(&backend->endpoint.addr, &loopbacks[!is_v6], sizeof(struct lb_addr))) {
			keys[count] = backend->endpoint;
			keys[count++].addr = loopbacks[is_v6];
		}
	return count;
}

static bool is_free(struct datapath *dp, const struct lb_endpoint *key)
{
	uint16_t id;

	return datapath_get_backend_id(dp, key, &id) != 0;
}

int apply_backend_added(struct backend *backend)
{
	struct lb_endpoint keys[4];
	size_t count = aliases(backend, keys);
	struct lb_backend known = {0};
	int err;

	datapath_get_backend(backend->model->dp, backend->id, &known);
	if (known.generation != backend->generation)
		datapath_clear_load(backend->model->dp, backend->id);
	publish_backend(backend, backend_enabled(backend));
	err = datapath_set_backend_id(backend->model->dp, &keys[0], backend->id);
	/* The wider names go to the first of several backends of one port; a scan finds the others. */
	for (size_t i = 1; i < count && !err; i++)
		if (is_free(backend->model->dp, &keys[i]))
			err = datapath_set_backend_id(backend->model->dp, &keys[i], backend->id);
	return err;
}

void apply_backend_hidden(struct backend *backend)
{
	struct lb_endpoint keys[4];
	size_t count = aliases(backend, keys);

	for (size_t i = 0; i < count; i++) {
		uint16_t id;

		if (!datapath_get_backend_id(backend->model->dp, &keys[i], &id) &&
		    id == backend->id)
			datapath_set_backend_id(backend->model->dp, &keys[i], LB_BACKEND_NONE);
	}
}

void apply_backend_removed(struct backend *backend)
{
	publish_backend(backend, false);
	apply_backend_hidden(backend);
	datapath_remove_listener(backend->model->dp, backend->id, false);
	datapath_remove_listener(backend->model->dp, backend->id, true);
}

/* The backends that may be chosen; up ones only, unless none is. */
static size_t choosable(const struct pool *pool, struct ring_backend *chosen)
{
	size_t count = 0;
	bool any_up = false;

	for (size_t i = 0; i < pool->count; i++)
		any_up |= pool->backends[i]->state == STATE_UP;
	for (size_t i = 0; i < pool->count; i++) {
		const struct backend *backend = pool->backends[i];

		if (!backend_enabled(backend) || (any_up && backend->state != STATE_UP))
			continue;
		chosen[count++] = (struct ring_backend){
			.id = backend->id,
			.weight = (uint16_t)backend_effective_weight(backend),
			.name = ring_name(&backend->endpoint, sizeof(backend->endpoint)),
		};
	}
	return count;
}

static bool needs_ring(enum lb_scheduler scheduler, size_t enabled)
{
	return enabled && (scheduler != LB_LEAST_LOAD || enabled > LB_POOL_MEMBERS);
}

static uint64_t digest(const uint16_t *ring, size_t count)
{
	return ring_name(ring, count * sizeof(*ring)) | 1;
}

static int publish_ring(struct pool *pool, const struct ring_backend *chosen, size_t count,
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
	if (!err && digest(ring, size) != pool->ring_digest) {
		err = datapath_set_ring(pool->model->dp, pool->id, ring, (uint32_t)size);
		pool->ring_digest = err ? 0 : digest(ring, size);
	}
	*entries = (uint32_t)size;
	free(ring);
	return err;
}

/*
 * Comes after the ring that it names.  Until it does, the kernel side indexes the new ring by the old
 * length: the beginning of a longer ring is as good, and past the end of a shorter one lie places of the
 * old ring, or none, and it tries again.
 */
static int write_pool(struct pool *pool, const struct lb_pool *value)
{
	int err;

	if (pool->is_published && !memcmp(value, &pool->published, sizeof(*value)))
		return 0;
	err = datapath_set_pool(pool->model->dp, pool->id, value);
	pool->is_published = !err;
	if (!err)
		pool->published = *value;
	return err;
}

static int publish_pool(struct pool *pool)
{
	struct ring_backend *chosen = calloc(pool->count + 1, sizeof(*chosen));
	struct lb_pool value = {.scheduler = pool->conf->scheduler};
	size_t in_ring;
	int err = 0;

	if (!chosen)
		return -ENOMEM;
	for (size_t i = 0; i < pool->count; i++)
		if (backend_enabled(pool->backends[i])) {
			if (value.count < LB_POOL_MEMBERS)
				value.members[value.count] = pool->backends[i]->id;
			value.count++;
		}
	in_ring = choosable(pool, chosen);
	if (needs_ring(pool->conf->scheduler, value.count))
		err = publish_ring(pool, chosen, in_ring, &value.ring_entries);
	if (!err)
		err = write_pool(pool, &value);
	free(chosen);
	return err;
}

int apply_now(struct model *model)
{
	int first = 0;

	for (size_t i = 0; i < model->pool_count; i++) {
		struct pool *pool = model->pools[i];
		int err;

		if (!pool->dirty)
			continue;
		pool->dirty = false;
		err = publish_pool(pool);
		if (err) {
			log_error("pool %s: cannot write it to the kernel side: %s", pool->name,
				  strerror(-err));
			first = first ? first : err;
		}
	}
	return first;
}

void apply_pool_removed(struct pool *pool)
{
	static const struct lb_pool empty;

	datapath_set_pool(pool->model->dp, pool->id, &empty);
	datapath_set_ring(pool->model->dp, pool->id, NULL, 0);
}

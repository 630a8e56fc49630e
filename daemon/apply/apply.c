/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/owed.h"
#include "apply/ring.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "model/all_down.h"
#include "model/choice.h"
#include "model/coming.h"

enum { TRY_AGAIN_US = 1000 * 1000 };

static int deferred(sd_event_source *source, void *arg)
{
	(void)source;
	apply_now(arg);
	return 0;
}

static int on_try_again(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now;
	apply_now(arg);
	return 0;
}

int apply_init(struct model *model)
{
	int err = sd_event_add_defer(model->event, &model->deferred, deferred, model);

	if (err >= 0)
		err = sd_event_source_set_enabled(model->deferred, SD_EVENT_OFF);
	if (err >= 0)
		err = clock_arm(model->event, &model->apply_timer, 0, on_try_again, model);
	if (err >= 0)
		clock_disarm(model->apply_timer);
	return err < 0 ? err : 0;
}

void apply_pool_later(struct pool *pool)
{
	pool->dirty = true;
	sd_event_source_set_enabled(pool->model->deferred, SD_EVENT_ONESHOT);
}

static uint32_t pool_flags(const struct pool *pool)
{
	return (coming_any(pool) ? LB_POOL_DEFER : 0) |
	       (coming_after_death(pool, false) ? LB_POOL_RESTARTED_V4 : 0) |
	       (coming_after_death(pool, true) ? LB_POOL_RESTARTED_V6 : 0);
}

void apply_pool_coming(struct pool *pool)
{
	if (pool->published.flags != pool_flags(pool))
		apply_pool_later(pool);
}

static void try_pool(struct pool *pool);

/* Each of its backends may be enabled, or not, by that. */
static void look_at_all(struct pool *pool)
{
	if (!all_down_look(pool))
		return;
	for (size_t i = 0; i < pool->count; i++) {
		pool->backends[i]->is_published = false;
		pool->model->hooks.explain(pool->backends[i]);
	}
}

/*
 * The kernel side may know of this one alone, which goes out of service: those first that it is to choose instead,
 * or that clients wait for.  What leaves has its pool's successor written before.
 */
static bool is_stood_in_for(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	if (!pool || backend->goal == GOAL_LEAVE)
		return false;
	return pool->has_gained || (backend->published.flags & LB_BACKEND_ENABLED &&
				    pool->published.flags != pool_flags(pool));
}

void apply_backend(struct backend *backend)
{
	struct pool *pool = backend->pool;
	bool is_enabled;
	int err;

	/* Before it is taken out: it may be the last one. */
	if (pool && backend->check.fails && backend->state == STATE_DOWN)
		look_at_all(pool);
	is_enabled = choice_enabled(backend);
	if (!is_enabled && is_stood_in_for(backend))
		try_pool(pool);
	err = apply_publish(backend, is_enabled);
	backend->owes_value = err != 0;
	if (err) {
		log_error("%s: cannot write it to the kernel side: %s; trying again", backend->name,
			  strerror(-err));
		owed_later(backend->model);
	}
	if (!pool)
		return;
	pool->has_gained |= is_enabled;
	apply_pool_later(pool);
}

void apply_backend_anew(struct backend *backend)
{
	backend->is_published = false;
	apply_backend(backend);
}

/* The backends that may be chosen; only those that are up, or show by that whether they can be, unless none is up. */
static size_t choosable(const struct pool *pool, struct ring_backend *chosen)
{
	size_t count = 0;
	bool any_up = false;

	for (size_t i = 0; i < pool->count; i++)
		any_up |= pool->backends[i]->state == STATE_UP;
	for (size_t i = 0; i < pool->count; i++) {
		const struct backend *backend = pool->backends[i];

		if (!choice_enabled(backend) ||
		    (any_up && backend->state != STATE_UP && !choice_on_trial(backend)))
			continue;
		chosen[count++] = (struct ring_backend){
			.id = backend->id,
			.weight = (uint16_t)choice_weight(backend),
			.name = hash_bytes(&backend->endpoint, sizeof(backend->endpoint)),
		};
	}
	return count;
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

/* Those that could not be written when they changed: of the ones that may be chosen, or of the others. */
static int publish_backends(struct pool *pool, bool enabled)
{
	int err = 0;

	for (size_t i = 0; i < pool->count && !err; i++) {
		struct backend *backend = pool->backends[i];

		if (!backend->is_published && choice_enabled(backend) == enabled)
			err = apply_publish(backend, enabled);
	}
	return err;
}

static int publish_pool(struct pool *pool)
{
	struct ring_backend *chosen = calloc(pool->count + 1, sizeof(*chosen));
	struct lb_pool value = {.scheduler = pool->conf->scheduler, .flags = pool_flags(pool)};
	int err = chosen ? publish_backends(pool, true) : -ENOMEM;
	size_t in_ring;

	if (err)
		goto out;
	for (size_t i = 0; i < pool->count; i++)
		if (choice_enabled(pool->backends[i])) {
			if (value.count < LB_POOL_MEMBERS)
				value.members[value.count] = pool->backends[i]->id;
			value.count++;
		}
	in_ring = choosable(pool, chosen);
	if (apply_ring_needed(pool->conf->scheduler, value.count))
		err = apply_ring(pool, chosen, in_ring, &value.ring_entries);
	if (!err)
		err = write_pool(pool, &value);
	if (!err)
		err = publish_backends(pool, false);
out:
	free(chosen);
	return err;
}

int apply_pool_added(struct pool *pool)
{
	return publish_pool(pool);
}

/* One that cannot be written serves as it was until it can. */
static void try_pool(struct pool *pool)
{
	int err;

	look_at_all(pool);
	err = publish_pool(pool);
	pool->dirty = err != 0;
	pool->has_gained &= pool->dirty;
	if (err && !pool->failing)
		log_error("pool %s: cannot write it to the kernel side: %s; trying again",
			  pool->name, strerror(-err));
	if (!err && pool->failing)
		log_info("pool %s: written to the kernel side", pool->name);
	pool->failing = err != 0;
	if (err)
		clock_arm(pool->model->event, &pool->model->apply_timer, TRY_AGAIN_US, on_try_again,
			  pool->model);
}

void apply_now(struct model *model)
{
	for (size_t i = 0; i < model->pool_count; i++)
		if (model->pools[i]->dirty)
			try_pool(model->pools[i]);
}

void apply_pool_removed(struct pool *pool)
{
	static const struct lb_pool empty;

	datapath_set_pool(pool->model->dp, pool->id, &empty);
	datapath_set_ring(pool->model->dp, pool->id, NULL, 0);
}

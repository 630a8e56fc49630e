/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/stuck.h"

#include <arpa/inet.h>

#include "apply/apply.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/listener.h"
#include "model/pool.h"
#include "model/turn.h"

enum { LOOK_US = 1000 * 1000, STUCK_US = 5 * 1000 * 1000 };

#define REASON "accepts nothing: its accept queue has been full for 5 s"

const char stuck_reason[] = REASON;

struct queue {
	const struct backend *backend;
	bool is_full, is_half_full;
};

static void look_at_queue(void *arg, const struct sockets_listener *listener)
{
	struct queue *queue = arg;

	if (!listener_is_in_place(queue->backend, listener))
		return;
	queue->is_full |= listener->queue > listener->backlog;
	queue->is_half_full |= listener->queue > listener->backlog / 2;
}

/* A refusal by the last one would be worse than its queue, where clients try again. */
static bool has_another(const struct backend *backend)
{
	const struct pool *pool = backend->pool;

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i] != backend && pool->backends[i]->state == STATE_UP &&
		    !pool->backends[i]->stuck.since_us)
			return true;
	return false;
}

static void mark_stuck(struct backend *backend)
{
	struct stuck *stuck = &backend->stuck;
	const struct model_hooks *hooks = &backend->model->hooks;
	const struct pool *pool = backend->pool;
	bool restart = pool->conf->health.restart && backend->worker;

	/* The only one of its pool is restarted: nobody is to take its place. */
	if (!has_another(backend) && !(restart && pool->count == 1)) {
		if (!stuck->said)
			log_warning("%s: " REASON
				    "; no other is up in its pool: it stays in service",
				    backend->name);
		stuck->said = true;
		hooks->explain(backend);
		return;
	}
	if (restart) {
		if (!turn_is_rolling(pool) && !turn_on_its_way(pool))
			hooks->wrong(backend, REASON);
		return;
	}
	log_warning("%s: " REASON "; out of service until there is room", backend->name);
	stuck->out = true;
	hooks->evaluate(backend);
}

/* The kernel side may tell of it again. */
static void end_stuck(struct backend *backend)
{
	const struct model_hooks *hooks = &backend->model->hooks;
	bool was_out = backend->stuck.out, was_said = backend->stuck.said;

	stuck_forget(backend);
	if (was_out || was_said)
		log_info("%s: accepts again", backend->name);
	if (was_said)
		hooks->explain_anew(backend);
	if (was_out)
		hooks->evaluate(backend);
	apply_backend_anew(backend);
}

static int on_stuck_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct backend *backend = arg;
	struct stuck *stuck = &backend->stuck;
	struct queue queue = {.backend = backend};
	uint64_t total = backend_connections_ever(backend);

	(void)source, (void)now;
	sockets_each_listener(ntohs(backend->endpoint.port), look_at_queue, &queue);
	if (stuck->out || stuck->said ? !queue.is_half_full : !queue.is_full) {
		end_stuck(backend);
		return 0;
	}
	if (total != stuck->total) { /* something was accepted, or there would have been no room */
		stuck->total = total;
		stuck->since_us = clock_us();
	}
	clock_arm(backend->model->event, &stuck->timer, LOOK_US, on_stuck_look, backend);
	if (!stuck->out && clock_us() - stuck->since_us >= STUCK_US && backend->state == STATE_UP)
		mark_stuck(backend);
	return 0;
}

void stuck_seen(struct backend *backend)
{
	struct stuck *stuck = &backend->stuck;

	if (stuck->since_us)
		return;
	stuck->since_us = clock_us();
	stuck->total = backend_connections_ever(backend);
	clock_arm(backend->model->event, &stuck->timer, LOOK_US, on_stuck_look, backend);
}

void stuck_forget(struct backend *backend)
{
	sd_event_source_disable_unref(backend->stuck.timer);
	backend->stuck = (struct stuck){0};
}

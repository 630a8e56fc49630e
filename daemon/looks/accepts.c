/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/accepts.h"

#include <arpa/inet.h>

#include "base/clock.h"
#include "host/net/sockets.h"
#include "model/listener.h"
#include "model/pool.h"

enum { LIVES_US = 1000 * 1000, LOOK_US = 200 * 1000 };

struct waiting {
	const struct backend *backend;
	uint32_t count;
};

static void add_queue(void *arg, const struct sockets_listener *listener)
{
	struct waiting *waiting = arg;

	if (listener_is_in_place(waiting->backend, listener))
		waiting->count += listener->queue;
}

/*
 * Those that are open are counted first: one that comes between is in the queue before it is open, so that it
 * does not look as if it had been accepted.
 */
static bool accepts(const struct backend *backend)
{
	struct waiting waiting = {.backend = backend};
	uint32_t open = backend_connections(backend);

	if (sockets_each_listener(ntohs(backend->endpoint.port), add_queue, &waiting))
		return false;
	return !waiting.count || open > waiting.count;
}

static int on_accepts_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct backend *backend = arg;
	struct accepts *state = &backend->accepts;

	(void)source, (void)now;
	if (!accepts(backend)) {
		clock_arm(backend->model->event, &state->timer, LOOK_US, on_accepts_look, backend);
		return 0;
	}
	state->timer = sd_event_source_disable_unref(state->timer);
	state->is_seen = true;
	backend->model->hooks.evaluate(backend);
	return 0;
}

void accepts_watch(struct backend *backend, uint64_t since_us)
{
	uint64_t passed_us = clock_us() - since_us;

	if (!backend->pool || !backend->pool->conf->worker || !backend->pool->conf->worker->inherit)
		return;
	clock_arm(backend->model->event, &backend->accepts.timer,
		  passed_us < LIVES_US ? LIVES_US - passed_us : 0, on_accepts_look, backend);
}

void accepts_forget(struct backend *backend)
{
	sd_event_source_disable_unref(backend->accepts.timer);
	backend->accepts = (struct accepts){0};
}

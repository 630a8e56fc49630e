/* SPDX-License-Identifier: Apache-2.0 */
/* From the last new connection to the end of the last open one. */
#include <errno.h>

#include "apply/apply.h"
#include "backend/private.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "host/net/sockets.h"
#include "remember/remember.h"

enum { DRAIN_LOOK_US = 1000 * 1000 }; /* should an event have been lost */

void backend_empty(struct backend *backend)
{
	uint64_t passed = clock_us() - backend->since_us;

	if (backend->state != STATE_DRAINING)
		return;
	if (passed < BACKEND_DRAIN_LEAST_US)
		backend_arm(backend, BACKEND_DRAIN_LEAST_US - passed);
	else if (!backend_connections(backend))
		backend_event(backend, EVENT_EMPTY);
}

/*
 * A worker that is to end gets its stop signal first, by which it may finish what it has begun; the kernel
 * closes the rest at its end.  What waits in a queue that lbd keeps open would wait for nobody.
 */
static bool ends_with_process(const struct backend *backend)
{
	if (!backend->worker || backend->goal < GOAL_STOP)
		return false;
	return backend->goal == GOAL_RESTART || !backend->pool->conf->worker->inherit;
}

static void cut_connections(struct backend *backend, uint32_t open)
{
	int ended = sockets_destroy_connections(datapath_tags_fd(backend->model->dp), backend->id,
						backend->generation);

	backend->drain.cut = ended > 0 ? (uint32_t)ended : 0;
	log_warning("%s: drain deadline: ended %d of %u connections", backend->name, ended, open);
}

void backend_look_at_drain(struct backend *backend)
{
	uint64_t passed = clock_us() - backend->since_us;
	uint32_t open = backend_connections(backend);
	uint64_t left = backend->drain.timeout_us - passed;

	if (open && passed < backend->drain.timeout_us) {
		backend_arm(backend, left < DRAIN_LOOK_US ? left : DRAIN_LOOK_US);
		return;
	}
	if (open && ends_with_process(backend)) {
		backend->drain.cut = open;
		log_warning("%s: drain deadline: %u connections are open until its process ends",
			    backend->name, open);
	} else if (open) {
		cut_connections(backend, open);
	}
	backend_event(backend, EVENT_EMPTY);
}

void backend_set_goal(struct backend *backend, enum backend_goal goal)
{
	backend->goal = goal;
	remember_later(backend->model); /* the state may be what it was */
	if (backend->pool)
		apply_pool_coming(backend->pool);
}

int backend_drain(struct backend *backend, uint64_t timeout_us, enum backend_goal goal)
{
	backend_set_goal(backend, goal);
	backend->drain.timeout_us = timeout_us;
	/* Its turn in a roll is over before it came: whoever stops it does not want it started again. */
	if (goal != GOAL_RESTART && backend->turn != TURN_NOW)
		backend->turn = TURN_NONE;
	if (backend->state == STATE_DRAINING) {
		backend_arm(backend, 0);
		return 0;
	}
	backend->drain.cut = 0;
	if (backend_event(backend, EVENT_DRAIN))
		return 0;
	if (backend->state == STATE_DRAINED) {
		backend_process_drained(backend);
		return 0;
	}
	return backend_process_end_idle(backend);
}

int backend_undrain(struct backend *backend)
{
	if (backend->state != STATE_DRAINING && backend->state != STATE_DRAINED)
		return -EALREADY;
	backend->goal = GOAL_RUN;
	backend->note[0] = 0;
	backend_event(backend, EVENT_UNDRAIN);
	backend_evaluate(backend);
	return 0;
}

int backend_keep_out(struct backend *backend, uint64_t timeout_us)
{
	bool stays = state_has_process(backend->state) && backend->state != STATE_STOPPING;

	backend->kept_out = backend->worker != NULL;
	if (!backend->worker || stays)
		return backend_drain(backend, timeout_us, GOAL_DRAIN);
	/* Drained is what it is once it runs again: one that ends is to be stopped, or restarted, all the same. */
	if (backend->goal == GOAL_RUN)
		backend->goal = GOAL_DRAIN;
	remember_later(backend->model);
	apply_backend(backend);
	return 0;
}

int backend_put_back(struct backend *backend)
{
	bool was_out = backend->kept_out;

	backend->kept_out = false;
	remember_later(backend->model);
	if (!backend_undrain(backend))
		return 0;
	if (backend->goal == GOAL_DRAIN)
		backend->goal = GOAL_RUN;
	apply_backend(backend);
	return was_out ? 0 : -EALREADY;
}

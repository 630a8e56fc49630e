/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "apply/apply.h"
#include "backend/backend.h"
#include "backend/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "lbd/service_manager.h"
#include "roll/recycle.h"
#include "roll/roll.h"

enum { MARGIN_US = 30 * 1000 * 1000 }; /* for all that is not waited for */

static int priority_of(const struct backend *backend)
{
	return backend->pool->conf->worker ? backend->pool->conf->worker->priority : 0;
}

struct stopping {
	struct backend *left[LB_MAX_BACKENDS];
	size_t count;
	int highest;
};

static void find_running(void *arg, struct backend *backend)
{
	struct stopping *stopping = arg;

	if (!backend->worker)
		return;
	if (!state_has_process(backend->state)) {
		backend->goal = GOAL_STOP; /* not to be started again */
		return;
	}
	if (stopping->count && priority_of(backend) < stopping->highest)
		return;
	if (stopping->count && priority_of(backend) > stopping->highest)
		stopping->count = 0;
	stopping->highest = priority_of(backend);
	stopping->left[stopping->count++] = backend;
}

/* From now on; one that drains already has no longer than it has been given. */
static void drain_to_stop(struct backend *backend)
{
	uint64_t timeout_us = backend->pool->conf->drain_timeout_ms * 1000ULL;

	if (backend->state == STATE_DRAINING) {
		timeout_us += clock_us() - backend->since_us;
		if (backend->drain.timeout_us <= timeout_us && backend->goal >= GOAL_STOP)
			return;
		if (backend->drain.timeout_us < timeout_us)
			timeout_us = backend->drain.timeout_us;
	}
	backend_drain(backend, timeout_us, GOAL_STOP);
}

/* DANGER: systemd kills an lbd that takes longer than it knows of, and what still runs then is nobody's. */
static void tell_time(struct lbd *lbd, const struct stopping *stopping)
{
	uint64_t longest_us = 0;

	if (lbd->stop.told && lbd->stop.priority == stopping->highest)
		return;
	lbd->stop.told = true;
	lbd->stop.priority = stopping->highest;
	for (size_t i = 0; i < stopping->count; i++) {
		const struct conf_pool *conf = stopping->left[i]->pool->conf;
		uint64_t us =
			(conf->drain_timeout_ms + (uint64_t)conf->worker->stop_timeout_ms) * 1000;

		longest_us = us > longest_us ? us : longest_us;
	}
	service_manager_tell(lbd->event, "EXTEND_TIMEOUT_USEC=%" PRIu64, longest_us + MARGIN_US);
}

/* The workers of the highest priority number go first; those of a lower one once they have gone. */
void lbd_stop_next(struct lbd *lbd)
{
	struct stopping *stopping = calloc(1, sizeof(*stopping));

	if (stopping)
		pool_each_backend(&lbd->model, find_running, stopping);
	if (!stopping)
		sd_event_exit(lbd->event, -ENOMEM); /* what runs is left to the next lbd */
	else if (!stopping->count)
		sd_event_exit(lbd->event, 0);
	else
		tell_time(lbd, stopping);
	for (size_t i = 0; stopping && i < stopping->count; i++) {
		if (stopping->left[i]->state == STATE_STOPPING)
			continue;
		if (lbd->stop.at_once)
			backend_process_stop(stopping->left[i], GOAL_STOP);
		else
			drain_to_stop(stopping->left[i]);
	}
	free(stopping);
}

/* What drains goes on to. */
static void disable_backend(void *arg, struct backend *backend)
{
	(void)arg;
	if (backend->state != STATE_DRAINING)
		clock_disarm(backend->timer);
	apply_backend(backend);
}

void lbd_stop(struct lbd *lbd)
{
	if (lbd->model.stopping) {
		if (lbd->stop.at_once)
			return;
		log_info("stopping at once: what is open is cut");
		lbd->stop.at_once = true;
		lbd_stop_next(lbd);
		return;
	}
	service_manager_tell(lbd->event, "STOPPING=1");
	lbd->model.stopping = true;
	recycle_watch(&lbd->model);
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_forget(lbd->model.pools[i], "lbd is being stopped");
	pool_each_backend(&lbd->model, disable_backend, NULL);
	apply_now(&lbd->model);
	log_info("stopping: draining first; a second signal or `lbctl shutdown` cuts what is open");
	lbd_stop_next(lbd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "backend.h"
#include "log.h"

struct leave {
	sd_event_source *reaper;
};

static void forget(struct backend *backend)
{
	struct pool *pool = backend->pool;

	log_info("%s: gone", backend->name);
	apply_backend_removed(backend);
	backend_free(backend);
	if (!--pool->leaving)
		pool_free(pool);
}

static bool is_over(const struct backend *backend)
{
	return backend->worker ? !state_has_process(backend->state)
			       : backend->state != STATE_DRAINING;
}

/* Deferred: a backend is never freed from within its own callbacks. */
static int reap(sd_event_source *source, void *arg)
{
	struct model *model = arg;
	struct backend **link = &model->leaving;

	(void)source;
	while (*link) {
		struct backend *backend = *link;

		if (!is_over(backend)) {
			link = &backend->next;
			continue;
		}
		*link = backend->next;
		forget(backend);
	}
	return 0;
}

int leave_init(struct model *model)
{
	int err;

	model->leave = calloc(1, sizeof(*model->leave));
	if (!model->leave)
		return -ENOMEM;
	err = sd_event_add_defer(model->event, &model->leave->reaper, reap, model);
	if (err < 0)
		return err;
	return sd_event_source_set_enabled(model->leave->reaper, SD_EVENT_OFF);
}

static void reap_later(struct model *model)
{
	sd_event_source_set_enabled(model->leave->reaper, SD_EVENT_ONESHOT);
}

void leave_add(struct backend *backend)
{
	struct model *model = backend->model;
	uint64_t timeout_us = backend->pool->conf->drain_timeout_ms * 1000ULL;
	bool open = backend->worker ? state_has_process(backend->state)
				    : backend_connections(backend) > 0;

	if (!open) {
		backend->goal = GOAL_LEAVE;
		apply_backend_removed(backend);
		backend_free(backend);
		return;
	}
	backend->pool->leaving++;
	backend->next = model->leaving;
	model->leaving = backend;
	apply_backend_hidden(backend);
	if (backend->leave_timeout_us != UINT64_MAX)
		timeout_us = backend->leave_timeout_us;
	backend_drain(backend, timeout_us, GOAL_LEAVE);
	reap_later(model);
}

void leave_changed(struct backend *backend)
{
	if (backend->goal == GOAL_LEAVE && is_over(backend))
		reap_later(backend->model);
}

void leave_free(struct model *model)
{
	if (!model->leave)
		return;
	while (model->leaving) {
		struct backend *backend = model->leaving;
		struct pool *pool = backend->pool;

		model->leaving = backend->next;
		backend_free(backend);
		if (!--pool->leaving)
			pool_free(pool);
	}
	sd_event_source_disable_unref(model->leave->reaper);
	free(model->leave);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "leave/leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/place.h"
#include "backend/backend.h"
#include "backend/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "leave/record.h"
#include "listeners/listeners.h"
#include "worker/worker.h"

struct leave {
	sd_event_source *reaper;
};

static void stop_awaiting(void *arg, struct backend *backend)
{
	(void)arg;
	if (!backend->awaits || backend_await(backend))
		return;
	backend->note[0] = 0;
	if (!backend->worker)
		backend_evaluate(backend);
	else if (backend->goal == backend_goal_of_start(backend) &&
		 !state_has_process(backend->state))
		backend_process_start(backend, EVENT_START);
}

static void release_backend(struct backend *backend)
{
	struct pool *pool = backend->pool;

	backend_free(backend);
	if (!--pool->leaving)
		pool_free(pool);
}

static void forget_backend(struct backend *backend)
{
	log_info("%s: gone", backend->name);
	apply_backend_removed(backend);
	leave_record_remove(backend);
	release_backend(backend);
}

static bool is_over(const struct backend *backend)
{
	return backend->worker ? !state_has_process(backend->state)
			       : backend->state != STATE_DRAINING;
}

/* Deferred: a backend is never freed from within its own callbacks. */
static int reap_left(sd_event_source *source, void *arg)
{
	struct model *model = arg;
	struct backend **link = &model->leaving;
	bool any = false;

	(void)source;
	while (*link) {
		struct backend *backend = *link;

		if (!is_over(backend)) {
			link = &backend->next;
			continue;
		}
		*link = backend->next;
		forget_backend(backend);
		any = true;
	}
	if (any) {
		pool_each_backend(model, stop_awaiting, NULL);
		listeners_scan_later(model);
	}
	return 0;
}

int leave_init(struct model *model)
{
	int err;

	model->leave = calloc(1, sizeof(*model->leave));
	if (!model->leave)
		return -ENOMEM;
	err = sd_event_add_defer(model->event, &model->leave->reaper, reap_left, model);
	if (err < 0)
		return err;
	return sd_event_source_set_enabled(model->leave->reaper, SD_EVENT_OFF);
}

static void reap_later(struct model *model)
{
	sd_event_source_set_enabled(model->leave->reaper, SD_EVENT_ONESHOT);
}

/* One that was drained already has begun with its time. */
static uint64_t deadline_us(const struct backend *backend, uint64_t timeout_us)
{
	uint64_t from_us = backend->state == STATE_DRAINING ? backend->since_us : clock_us();

	return timeout_us < UINT64_MAX - from_us ? from_us + timeout_us : UINT64_MAX;
}

/* How it leaves is as its pool has it now, where that is still there: it may say so in the same change. */
static const struct conf_pool *manner_of(const struct backend *backend)
{
	const struct pool *now = pool_find(backend->model, backend->pool->name);
	const struct conf_worker *worker = now ? now->conf->worker : NULL;

	if (backend->worker && worker)
		worker_set_ending(backend->worker, (struct worker_ending){worker->stop_signal,
									  worker->stop_timeout_ms});
	return now ? now->conf : backend->pool->conf;
}

void leave_add(struct backend *backend)
{
	struct model *model = backend->model;
	uint64_t timeout_us = manner_of(backend)->drain_timeout_ms * 1000ULL;
	bool open = backend->worker ? state_has_process(backend->state)
				    : backend_connections(backend) > 0;

	if (!open) {
		backend->goal = GOAL_LEAVE;
		apply_backend_removed(backend);
		leave_record_remove(backend);
		backend_free(backend);
		return;
	}
	backend->pool->leaving++;
	backend->next = model->leaving;
	model->leaving = backend;
	backend->awaits = false;
	backend_note(backend, "leaves: it has gone from the configuration");
	if (backend->leave.timeout_us != UINT64_MAX)
		timeout_us = backend->leave.timeout_us;
	backend->leave.until_us = deadline_us(backend, timeout_us);
	leave_record_write(backend);
	apply_backend_hidden(backend);
	backend_drain(backend, timeout_us, GOAL_LEAVE);
	reap_later(model);
}

struct backend *leave_find(const struct model *model, const char *pool,
			   const struct conf_backend *conf)
{
	for (struct backend *at = model->leaving; at; at = at->next)
		if (!at->kept && !!at->worker == conf->supervised &&
		    !memcmp(&at->endpoint, &conf->endpoint, sizeof(at->endpoint)) &&
		    (!at->worker || !strcmp(at->pool->name, pool)))
			return at;
	return NULL;
}

void leave_take_back(struct backend *backend)
{
	struct backend **link = &backend->model->leaving;

	while (*link != backend)
		link = &(*link)->next;
	*link = backend->next;
	backend->next = NULL;
	backend->note[0] = 0;
	if (!--backend->pool->leaving)
		pool_free(backend->pool);
}

void leave_changed(struct backend *backend)
{
	if (backend->goal == GOAL_LEAVE && is_over(backend))
		reap_later(backend->model);
}

bool leave_is_lost(const struct model *model)
{
	for (const struct backend *at = model->leaving; at; at = at->next)
		if (!leave_record_is_there(at))
			return true;
	return false;
}

void leave_mend(const struct model *model)
{
	for (const struct backend *at = model->leaving; at; at = at->next)
		leave_record_write(at);
}

void leave_free(struct model *model)
{
	if (!model->leave)
		return;
	while (model->leaving) {
		struct backend *backend = model->leaving;

		model->leaving = backend->next;
		release_backend(backend);
	}
	sd_event_source_disable_unref(model->leave->reaper);
	free(model->leave);
}

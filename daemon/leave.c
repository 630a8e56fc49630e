/* SPDX-License-Identifier: Apache-2.0 */
#include "leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"
#include "backend.h"
#include "log.h"

struct retired_conf {
	struct retired_conf *next;
	struct conf *conf;
};

struct leave {
	sd_event_source *reaper;
	struct retired_conf *confs;
};

/* A pool of its own, by the configuration that the backend was started with. */
static struct pool *ghost_of(const struct pool *pool)
{
	struct pool *ghost = calloc(1, sizeof(*ghost));

	if (!ghost)
		return NULL;
	ghost->model = pool->model;
	ghost->conf = pool->conf;
	ghost->name = strdup(pool->name);
	if (!ghost->name) {
		free(ghost);
		return NULL;
	}
	return ghost;
}

static void ghost_free(struct pool *ghost)
{
	if (!ghost)
		return;
	free(ghost->name);
	free(ghost);
}

static void forget(struct backend *backend)
{
	struct pool *ghost = backend->pool;

	log_info("%s: gone", backend->name);
	apply_backend_removed(backend);
	backend_free(backend);
	ghost_free(ghost);
}

static void free_confs(struct leave *leave)
{
	struct retired_conf *next;

	for (struct retired_conf *at = leave->confs; at; at = next) {
		next = at->next;
		conf_free(at->conf);
		free(at);
	}
	leave->confs = NULL;
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
	if (!model->leaving)
		free_confs(model->leave);
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
	struct pool *ghost = ghost_of(backend->pool);
	bool open = backend->worker ? state_has_process(backend->state)
				    : backend_connections(backend) > 0;

	if (!ghost || !open) {
		backend->goal = GOAL_LEAVE;
		apply_backend_removed(backend);
		backend_free(backend);
		ghost_free(ghost);
		return;
	}
	backend->pool = ghost;
	backend->next = model->leaving;
	model->leaving = backend;
	apply_backend_hidden(backend);
	backend_drain(backend,
		      backend->worker ? ghost->conf->drain_timeout_ms * 1000ULL
				      : backend->leave_timeout_us,
		      GOAL_LEAVE);
	reap_later(model);
}

void leave_add_conf(struct model *model, struct conf *conf)
{
	struct retired_conf *retired = model->leaving ? calloc(1, sizeof(*retired)) : NULL;

	if (!model->leaving) {
		conf_free(conf);
		return;
	}
	/* Without memory for the record it leaks, which is better than a use after free. */
	if (!retired)
		return;
	retired->conf = conf;
	retired->next = model->leave->confs;
	model->leave->confs = retired;
}

void leave_changed(struct backend *backend)
{
	if (backend->goal == GOAL_LEAVE && is_over(backend))
		reap_later(backend->model);
}

void leave_free(struct model *model)
{
	struct backend *next;

	if (!model->leave)
		return;
	for (struct backend *at = model->leaving; at; at = next) {
		struct pool *ghost = at->pool;

		next = at->next;
		backend_free(at);
		ghost_free(ghost);
	}
	free_confs(model->leave);
	sd_event_source_disable_unref(model->leave->reaper);
	free(model->leave);
}

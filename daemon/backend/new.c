/* SPDX-License-Identifier: Apache-2.0 */
/* How a backend comes to be, with its place in the kernel side and what is known of it, and goes. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/private.h"
#include "base/addr.h"
#include "base/clock.h"
#include "host/net/outgoing.h"
#include "looks/accepts.h"
#include "looks/deaf.h"
#include "looks/holder.h"
#include "looks/stuck.h"

void backend_init(struct model *model)
{
	model->hooks.evaluate = backend_evaluate;
	model->hooks.explain = backend_explain;
	model->hooks.explain_anew = backend_explain_anew;
	model->hooks.wrong = backend_process_wrong;
}

static void set_name(struct backend *backend, const struct conf_backend *conf)
{
	if (conf->supervised)
		snprintf(backend->name, sizeof(backend->name), "%s:%u", backend->pool->name,
			 ntohs(backend->endpoint.port));
	else
		addr_format_endpoint(&backend->endpoint, backend->name);
}

bool backend_set_maker(struct backend *backend, const struct conf_backend *conf)
{
	const char *maker = conf->maker ? conf->maker : "";
	bool is_same = !*maker == !backend->maker[0] && backend->maker_uid == conf->maker_uid;

	snprintf(backend->maker, sizeof(backend->maker), "%s", maker);
	backend->maker_uid = conf->maker_uid;
	return !is_same;
}

void backend_set_weight(struct backend *backend, unsigned configured, unsigned asked)
{
	backend->asked_weight = asked == configured ? 0 : asked;
	backend->weight = backend->asked_weight ? backend->asked_weight : configured;
}

static int take_place(struct backend *backend, const struct backend_place *leaves,
		      struct error *error)
{
	struct model *model = backend->model;
	struct backend_place place;
	int err = 0;

	if (leaves)
		place = *leaves;
	else
		err = pool_take_place(model, &backend->endpoint, &place);
	if (err && err != -ENOSPC)
		return error_set(error, err, "%s: cannot read its place in the kernel side: %s",
				 backend->name, strerror(-err));
	if (err || model->by_id[place.id])
		return error_set(error, -ENOSPC, "%s: all %d backends are taken", backend->name,
				 LB_MAX_BACKENDS);
	backend->id = place.id;
	backend->generation = place.generation;
	model->by_id[backend->id] = backend;
	return 0;
}

/* As configured, and known to nobody. */
static struct backend as_configured(struct model *model, struct pool *pool,
				    const struct conf_backend *conf, bool leaves)
{
	return (struct backend){
		.model = model,
		.pool = pool,
		.endpoint = conf->endpoint,
		.weight = conf->weight,
		.max_connections = conf->max_connections,
		.drain.asked = conf->drain,
		.goal = leaves        ? GOAL_LEAVE
			: conf->drain ? GOAL_DRAIN
				      : GOAL_RUN,
		.state = conf->supervised         ? STATE_STOPPED
			 : conf->drain && !leaves ? STATE_DRAINED
						  : STATE_DOWN,
		.since_us = clock_us(),
		.fresh = true,
		.leave.timeout_us = UINT64_MAX,
	};
}

/* Goes on where an lbd before has left it, if that had it. */
static int begin_backend(struct backend *backend, const struct conf_backend *conf,
			 const struct backend_place *leaves, struct error *error)
{
	int err = take_place(backend, leaves, error);

	if (err)
		return err;
	err = backend_make_timer(backend);
	if (err)
		return error_set(error, err, "%s: %s", backend->name, strerror(-err));
	if (conf->supervised)
		err = backend_process_new(backend, conf->index, error);
	else
		backend_restore(backend);
	if (err)
		return err;
	backend_restore_tally(backend);
	backend_resume(backend);
	return 0;
}

int backend_new(struct model *model, struct pool *pool, const struct conf_backend *conf,
		const struct backend_place *leaves, struct backend **out, struct error *error)
{
	struct backend *backend = calloc(1, sizeof(*backend));
	int err;

	if (!backend)
		return error_set(error, -ENOMEM, "out of memory");
	*backend = as_configured(model, pool, conf, leaves != NULL);
	outgoing_add(model->outgoing, &backend->endpoint);
	set_name(backend, conf);
	backend_set_maker(backend, conf);
	err = begin_backend(backend, conf, leaves, error);
	if (err)
		backend_free(backend);
	else
		*out = backend;
	return err;
}

void backend_free(struct backend *backend)
{
	if (!backend)
		return;
	outgoing_remove(backend->model->outgoing, &backend->endpoint);
	changes_forget(&backend->model->changes, backend);
	if (backend->model->hooks.forgotten)
		backend->model->hooks.forgotten(backend->model->hooks_arg, backend);
	if (backend->model->by_id[backend->id] == backend)
		backend->model->by_id[backend->id] = NULL;
	sd_event_source_disable_unref(backend->timer);
	health_free(backend->check.health);
	health_free(backend->check.prepared);
	stuck_forget(backend);
	accepts_forget(backend);
	deaf_forget(backend);
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		holder_forget(&backend->holders[is_v6]);
	worker_free(backend->worker);
	free(backend);
}

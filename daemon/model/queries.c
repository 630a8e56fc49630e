/* SPDX-License-Identifier: Apache-2.0 */
#include "model/queries.h"

#include "datapath/datapath.h"
#include "host/net/match.h"
#include "model/model.h"

const struct conf_worker *backend_worker_conf(const struct backend *backend)
{
	return backend->worker && backend->pool ? backend->pool->conf->worker : NULL;
}

bool backend_has_check(const struct backend *backend)
{
	return backend->pool && backend->pool->conf->health.kind != HEALTH_NONE;
}

bool backend_listens(const struct backend *backend)
{
	return backend->listens[0] || backend->listens[1];
}

enum backend_goal backend_goal_of_start(const struct backend *backend)
{
	return backend->kept_out ? GOAL_DRAIN : GOAL_RUN;
}

uint32_t backend_connections(const struct backend *backend)
{
	struct lb_load load = {0};

	datapath_read_load(backend->model->dp, backend->id, &load);
	return load.active;
}

uint64_t backend_connections_ever(const struct backend *backend)
{
	struct lb_load load = {0};

	datapath_read_load(backend->model->dp, backend->id, &load);
	return load.total;
}

bool backend_is_blocked(const struct backend *backend, const struct sockets_listener *socket)
{
	const struct conf_worker *worker = backend_worker_conf(backend);

	return match_blocks(&backend->endpoint, worker && worker->dual_stack, socket);
}

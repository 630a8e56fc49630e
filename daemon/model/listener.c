/* SPDX-License-Identifier: Apache-2.0 */
#include "model/listener.h"

#include <string.h>

#include "datapath/datapath.h"
#include "host/cgroup/cgroup.h"
#include "host/net/inherit.h"
#include "host/net/match.h"
#include "model/model.h"
#include "worker/worker.h"

/* What lbd itself listens on for the worker (`listen inherit`). */
static bool is_opened_for(const struct worker *worker, const struct sockets_listener *listener)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		int fd = worker_listener(worker, is_v6);

		if (fd >= 0 && inherit_inode(fd) == listener->inode)
			return true;
	}
	return false;
}

bool listener_is_made_by(const struct worker *worker, const struct sockets_listener *listener)
{
	uint64_t group = worker_group(worker);

	if (!worker_pid(worker))
		return false;
	if (!group || listener->group == group)
		return true;
	return cgroup_contains(worker_cgroup(worker), listener->group);
}

bool listener_is_own(const struct backend *backend, const struct sockets_listener *listener)
{
	const struct worker *worker = backend->worker;

	if (worker)
		return is_opened_for(worker, listener) ||
		       (listeners_match(&backend->endpoint, &listener->endpoint) &&
			listener_is_made_by(worker, listener));
	/* Of two at one address the one that leaves has no use for it. */
	if (backend->goal == GOAL_LEAVE ||
	    memcmp(&listener->endpoint, &backend->endpoint, sizeof(backend->endpoint)))
		return false;
	return !backend->maker[0] || backend->maker_uid == listener->uid;
}

bool listener_is_in_place(const struct backend *backend, const struct sockets_listener *listener)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;

		if (!datapath_get_listener(backend->model->dp, backend->id, is_v6, &cookie) &&
		    cookie == listener->cookie)
			return true;
	}
	return false;
}

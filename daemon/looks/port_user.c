/* SPDX-License-Identifier: Apache-2.0 */
#include "looks/port_user.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <unistd.h>

#include "host/cgroup/cgroup.h"
#include "host/net/holder_text.h"
#include "model/listener.h"
#include "model/pool.h"
#include "worker/worker.h"

/*
 * What lbd made bears its user, or the worker's once it has ended (see inherit_end()); its connections do as well.
 * Neither says who holds it.
 */
static bool is_inherited(const struct backend *backend, const struct sockets_listener *socket)
{
	return backend && backend->worker && backend->pool->conf->worker->inherit &&
	       (socket->uid == geteuid() || socket->uid == worker_log_user(backend->worker));
}

static void tell_inherited(struct port_user *user, const struct backend *backend, uid_t uid)
{
	const char *name = backend->pool->conf->worker->user;
	char number[HOLDER_NUMBER_BYTES];

	if (!name || uid != geteuid())
		name = holder_user(uid, number);
	user->is_inherited = true;
	snprintf(user->text, sizeof(user->text),
		 "a socket that this worker has inherited, it seems, and that is still open "
		 "somewhere "
		 "(a process outside of its control group, perhaps of user %.32s, may hold it)",
		 name);
}

const char *port_user_apart(const struct port_user *user)
{
	if (user->is_own)
		return ", of this worker itself, but not as the pool expects it";
	return user->is_inherited ? "" : ", which is not this worker";
}

static bool is_of_worker(const struct backend *backend, pid_t pid)
{
	const struct worker *worker = backend ? backend->worker : NULL;

	return worker && (pid == worker_pid(worker) ||
			  (worker_cgroup(worker) && cgroup_holds(worker_cgroup(worker), pid)));
}

void port_user_set(struct port_user *user, const struct backend *backend,
		   const struct sockets_listener *socket, const struct sockets_holder *holder)
{
	user->inode = socket->inode;
	user->bound = socket->endpoint;
	user->is_inherited = false;
	user->is_beside = backend && !backend_is_blocked(backend, socket);
	user->is_own = holder->pid && is_of_worker(backend, holder->pid);
	if (!holder->pid && is_inherited(backend, socket))
		tell_inherited(user, backend, socket->uid);
	else
		holder_text(holder, socket->uid, user->text, sizeof(user->text));
}

struct search {
	const struct backend *backend;
	enum port_user_by by;
	bool found, is_beside;
	struct sockets_listener socket;
};

/* Without an inode it is nobody's any more: what a closed connection leaves behind. */
static void compare_socket(void *arg, const struct sockets_listener *socket)
{
	struct search *search = arg;
	const struct backend *backend = search->backend;
	bool is_beside = !backend_is_blocked(backend, socket);

	if (!socket->inode || listener_is_own(backend, socket))
		return;
	if (search->found && (is_beside || !search->is_beside))
		return;
	if (is_beside && search->by != PORT_USER_BESIDE)
		return;
	search->found = true;
	search->is_beside = is_beside;
	search->socket = *socket;
}

bool port_user_find(const struct backend *backend, enum port_user_by by, struct port_user *user)
{
	struct search search = {.backend = backend, .by = by};
	struct sockets_holder holder = {0};
	uint16_t port = ntohs(backend->endpoint.port);

	if (by == PORT_USER_LISTENS)
		sockets_each_listener(port, compare_socket, &search);
	else
		sockets_each_on_port(port, compare_socket, &search);
	if (!search.found)
		return false;
	holder.user = search.socket.uid;
	sockets_find_holders(&search.socket.inode, 1, &holder);
	port_user_set(user, backend, &search.socket, &holder);
	return true;
}

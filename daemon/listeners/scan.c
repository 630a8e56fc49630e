/* SPDX-License-Identifier: Apache-2.0 */
/* The look at all listening sockets: one dump, one walk through /proc where a process is to be found. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apply/apply.h"
#include "backend/backend.h"
#include "base/log.h"
#include "host/net/match.h"
#include "host/process/process.h"
#include "listeners/listeners.h"
#include "listeners/shadowed.h"
#include "looks/holder.h"
#include "looks/port_user.h"
#include "model/listener.h"

enum { FIND_AGAIN = 5 };

/* A listener to put into a backend's slot, or (in_place) whose process is to be watched. */
struct capture {
	struct backend *backend;
	struct sockets_listener listener;
	bool is_v6, in_place;
};

/* A socket on a backend's port that is not the backend's. */
struct stranger {
	struct backend *backend;
	struct sockets_listener socket;
};

struct scan {
	struct model *model;
	struct sockets_listener *listeners;
	size_t count, room;
	struct capture *captures;
	size_t capture_count, capture_room;
	bool (*present)[2];         /* by backend id */
	struct stranger *strangers; /* who has a port of a backend that has no listener */
	size_t stranger_count, stranger_room;
	bool anew; /* also those that are in place */
	bool failed;
};

/* Room for one more in a list of `count`; false, and the scan has failed: there is no memory. */
static bool grow(struct scan *scan, void **list, size_t count, size_t *room, size_t bytes)
{
	size_t more = *room ? 2 * *room : 64;
	void *grown = count < *room ? *list : reallocarray(*list, more, bytes);

	if (!grown) {
		scan->failed = true;
		return false;
	}
	if (count == *room)
		*room = more;
	*list = grown;
	return true;
}

static void collect_listener(void *arg, const struct sockets_listener *listener)
{
	struct scan *scan = arg;

	if (grow(scan, (void **)&scan->listeners, scan->count, &scan->room, sizeof(*listener)))
		scan->listeners[scan->count++] = *listener;
}

static void want_capture(struct scan *scan, const struct capture *capture)
{
	if (grow(scan, (void **)&scan->captures, scan->capture_count, &scan->capture_room,
		 sizeof(*capture)))
		scan->captures[scan->capture_count++] = *capture;
}

static void want_stranger(struct scan *scan, struct backend *backend,
			  const struct sockets_listener *listener)
{
	struct stranger stranger = {backend, *listener};

	if (grow(scan, (void **)&scan->strangers, scan->stranger_count, &scan->stranger_room,
		 sizeof(stranger)))
		scan->strangers[scan->stranger_count++] = stranger;
}

/* Nothing else tells of its end: neither the kernel side nor, of a worker, its exit. */
static bool needs_holder(const struct backend *backend, bool is_v6, uint32_t inode)
{
	return !backend->worker && !backend->tracked[is_v6] &&
	       backend->holders[is_v6].inode != inode;
}

/* A slot that is taken is left alone: whoever was captured first serves the family. */
static void look_at_slot(struct scan *scan, struct backend *backend,
			 const struct sockets_listener *listener, bool is_v6)
{
	struct capture capture = {backend, *listener, is_v6, false};
	uint64_t cookie;
	int err;

	if (scan->present[backend->id][is_v6] || backend->deaf.out[is_v6])
		return;
	err = datapath_get_listener(scan->model->dp, backend->id, is_v6, &cookie);
	/* What cannot be read is as it was. */
	scan->present[backend->id][is_v6] = !err || err == -ENOENT || backend->listens[is_v6];
	if (err && err != -ENOENT)
		return;
	capture.in_place = !scan->anew && !err;
	if (capture.in_place &&
	    (cookie != listener->cookie || !needs_holder(backend, is_v6, listener->inode)))
		return;
	want_capture(scan, &capture);
}

/* Nobody's but its own: what is there was its listener under another rule, or by a process that is gone. */
static void let_go(struct backend *backend, const struct sockets_listener *listener)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;

		if (!datapath_get_listener(backend->model->dp, backend->id, is_v6, &cookie) &&
		    cookie == listener->cookie)
			datapath_remove_listener(backend->model->dp, backend->id, is_v6);
	}
}

static int by_port(const void *a, const void *b)
{
	const struct sockets_listener *left = a, *right = b;

	return (int)left->endpoint.port - (int)right->endpoint.port;
}

/* Index of the first listener of this port, or of a later one. */
static size_t first_of_port(const struct scan *scan, __be16 port)
{
	size_t low = 0, high = scan->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (scan->listeners[middle].endpoint.port < port)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void look_at_own(struct scan *scan, struct backend *backend,
			const struct sockets_listener *listener)
{
	backend->queue += listener->queue;
	if (!listener->is_v6 || !listener->v6only)
		look_at_slot(scan, backend, listener, false);
	if (listener->is_v6)
		look_at_slot(scan, backend, listener, true);
}

/* The first of those that are in its way, else of those where a person may have meant the backend. */
static const struct sockets_listener *worse(const struct backend *backend,
					    const struct sockets_listener *known,
					    const struct sockets_listener *listener)
{
	if (known && (match_blocks(&backend->endpoint, known) ||
		      !match_blocks(&backend->endpoint, listener)))
		return known;
	return listeners_match(&backend->endpoint, &listener->endpoint) ? listener : known;
}

/* Strangers first: what they leave is free for its own. */
static void look_at_backend(void *arg, struct backend *backend)
{
	struct scan *scan = arg;
	__be16 port = backend->endpoint.port;
	size_t first = first_of_port(scan, port), end = first;
	const struct sockets_listener *stranger = NULL;

	backend->queue = 0;
	backend->is_mptcp = false;
	if (backend->awaits)
		return;
	for (; end < scan->count && scan->listeners[end].endpoint.port == port; end++)
		if (!listener_is_own(backend, &scan->listeners[end])) {
			let_go(backend, &scan->listeners[end]);
			stranger = worse(backend, stranger, &scan->listeners[end]);
		}
	for (size_t i = first; i < end; i++)
		if (listener_is_own(backend, &scan->listeners[i]))
			look_at_own(scan, backend, &scan->listeners[i]);
	if (stranger && !scan->present[backend->id][0] && !scan->present[backend->id][1])
		want_stranger(scan, backend, stranger);
	else
		backend->stranger.inode = 0;
}

/* Its process is watched where nothing else tells of the listener's end. */
static int take_one(struct model *model, const struct capture *capture,
		    const struct sockets_owner *owner)
{
	struct backend *backend = capture->backend;
	const struct datapath_capture wanted = {.thread = owner->thread,
						.fd = owner->fd,
						.inode = owner->inode,
						.backend = backend->id,
						.generation = backend->generation,
						.is_v6 = capture->is_v6};
	int pidfd = owner->pid ? process_open(owner->pid) : -ESRCH, err;

	if (pidfd < 0)
		return pidfd;
	err = datapath_capture(model->dp, &wanted);
	if (!err && needs_holder(backend, capture->is_v6, owner->inode))
		holder_watch(&backend->holders[capture->is_v6], model, pidfd, owner->inode);
	else
		close(pidfd);
	return err;
}

/* Of a worker without a control group: only its session tells whose the socket is. */
static pid_t session_of(const struct capture *capture)
{
	const struct worker *worker = capture->backend->worker;

	return worker && !worker_group(worker) ? worker_pid(worker) : 0;
}

/* Where it most likely is: not to be hidden by what else its user, or another, has. */
static struct sockets_owner place_of(const struct capture *capture)
{
	const struct worker *worker = capture->backend->worker;

	return (struct sockets_owner){.session = session_of(capture),
				      .group = worker ? worker_cgroup(worker) : NULL,
				      .user = capture->listener.uid};
}

/* Once in the log, until it has had another listener: it is started again and again. */
static void note_mptcp(struct backend *backend)
{
	backend->is_mptcp = true;
	backend_note(backend, "%s", backend_mptcp);
	if (!backend->is_mptcp_told)
		log_warning("%s: %s", backend->name, backend_mptcp);
	backend->is_mptcp_told = true;
}

static void take_failed(struct scan *scan, const struct capture *capture, int err)
{
	struct backend *backend = capture->backend;

	if (capture->in_place) { /* not to be asked for again */
		backend->holders[capture->is_v6].inode = capture->listener.inode;
		return;
	}
	/* It is chosen, but may be counted as another's. */
	if (scan->anew && listener_is_in_place(backend, &capture->listener)) {
		scan->model->is_capture_owed = true;
		return;
	}
	scan->present[backend->id][capture->is_v6] = false;
	if (err == -EPROTONOSUPPORT)
		note_mptcp(backend);
	else if (session_of(capture))
		want_stranger(scan, backend, &capture->listener);
	else
		backend_note(backend, "its listener cannot be taken from its process: %s",
			     strerror(-err));
}

/* Whoever was found to have it may have ended since, a child of the worker, say: others have it still. */
static int take_found(struct model *model, const struct capture *capture,
		      struct sockets_owner *owner)
{
	uint32_t inode = capture->listener.inode;
	int err = take_one(model, capture, owner);

	for (unsigned turn = 0; turn < FIND_AGAIN && err == -ESRCH; turn++) {
		*owner = place_of(capture);
		err = sockets_find_owners(&inode, 1, owner);
		if (!err)
			err = take_one(model, capture, owner);
	}
	return err;
}

static int take_all(struct scan *scan)
{
	uint32_t *inodes = calloc(scan->capture_count, sizeof(*inodes));
	struct sockets_owner *owners = calloc(scan->capture_count, sizeof(*owners));
	int err = -ENOMEM;

	if (!inodes || !owners)
		goto out;
	for (size_t i = 0; i < scan->capture_count; i++) {
		inodes[i] = scan->captures[i].listener.inode;
		owners[i] = place_of(&scan->captures[i]);
	}
	err = sockets_find_owners(inodes, scan->capture_count, owners);
	for (size_t i = 0; i < scan->capture_count && !err; i++) {
		int one = take_found(scan->model, &scan->captures[i], &owners[i]);

		if (one)
			take_failed(scan, &scan->captures[i], one);
	}
out:
	free(inodes);
	free(owners);
	return err;
}

/* Those that are known from the look before are not looked for again. */
static int name_strangers(struct scan *scan)
{
	uint32_t *inodes = calloc(scan->stranger_count, sizeof(*inodes));
	struct sockets_owner *owners = calloc(scan->stranger_count, sizeof(*owners));
	size_t count = 0;
	int err = inodes && owners ? 0 : -ENOMEM;

	for (size_t i = 0; i < scan->stranger_count && !err; i++) {
		struct stranger *stranger = &scan->strangers[i];

		if (stranger->backend->stranger.inode == stranger->socket.inode)
			continue;
		inodes[count] = stranger->socket.inode;
		owners[count].user = stranger->socket.uid;
		scan->strangers[count++] = *stranger;
	}
	if (!err && count)
		err = sockets_find_owners(inodes, count, owners);
	for (size_t i = 0; i < count && !err; i++)
		port_user_set(&scan->strangers[i].backend->stranger, scan->strangers[i].backend,
			      &scan->strangers[i].socket, &owners[i]);
	free(inodes);
	free(owners);
	return err;
}

static void tell_backend(void *arg, struct backend *backend)
{
	struct scan *scan = arg;

	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		backend_set_listener(backend, is_v6, scan->present[backend->id][is_v6]);
	backend_explain(backend);
	if (!backend->denied)
		return;
	backend->denied = false;
	apply_backend_id(backend);
}

/* All listening sockets, in the order of their ports; or those of one port. */
static int begin(struct scan *scan, uint16_t port)
{
	int err;

	scan->present = calloc(LB_MAX_BACKENDS, sizeof(*scan->present));
	if (!scan->present)
		return -ENOMEM;
	err = sockets_each_listener(port, collect_listener, scan);
	if (!err && scan->count)
		qsort(scan->listeners, scan->count, sizeof(*scan->listeners), by_port);
	return err;
}

static int capture(struct scan *scan)
{
	if (scan->failed)
		return -ENOMEM;
	return scan->capture_count ? take_all(scan) : 0;
}

static void end(struct scan *scan)
{
	free(scan->present);
	free(scan->listeners);
	free(scan->captures);
	free(scan->strangers);
}

int listeners_scan(struct model *model)
{
	struct scan scan = {.model = model, .anew = model->is_capture_owed};
	int err = begin(&scan, 0);

	model->is_capture_owed = false;
	if (!err) {
		pool_each_backend(model, look_at_backend, &scan);
		err = capture(&scan);
	}
	if (!err && scan.stranger_count)
		err = name_strangers(&scan);
	if (!err) {
		pool_each_backend(model, tell_backend, &scan);
		shadowed_look(model, scan.listeners, scan.count);
	}
	model->is_capture_owed |= err && scan.anew;
	end(&scan);
	return err;
}

void listeners_capture(struct model *model, struct backend *const *backends, size_t count)
{
	struct scan scan = {.model = model, .anew = true};
	uint16_t port = count == 1 ? ntohs(backends[0]->endpoint.port) : 0;
	int err = begin(&scan, port);

	for (size_t i = 0; !err && i < count; i++)
		look_at_backend(&scan, backends[i]);
	if (!err)
		err = capture(&scan);
	end(&scan);
	model->is_capture_owed |= err != 0;
	if (model->is_capture_owed)
		listeners_scan_later(model);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners/scan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "apply/place.h"
#include "backend/backend.h"
#include "datapath/datapath.h"
#include "host/net/match.h"
#include "listeners/private.h"
#include "listeners/shadowed.h"
#include "listeners/sorted.h"
#include "looks/port_user.h"
#include "model/listener.h"

static void collect_listener(void *arg, const struct sockets_listener *listener)
{
	struct scan *scan = arg;

	if (scan_grow(scan, (void **)&scan->listeners, scan->count, &scan->room, sizeof(*listener)))
		scan->listeners[scan->count++] = *listener;
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
	if (err && err != -ENOENT) {
		scan->unread = err;
		return;
	}
	capture.in_place = !scan->anew && !err;
	if (capture.in_place &&
	    (cookie != listener->cookie || !scan_needs_holder(backend, is_v6, listener->inode)))
		return;
	scan_want_capture(scan, &capture);
}

/* Nobody's but its own: what is there was its listener under another rule, or by a process that is gone. */
static void let_go(struct scan *scan, struct backend *backend,
		   const struct sockets_listener *listener)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct datapath *dp = backend->model->dp;
		uint64_t cookie;
		int err = datapath_get_listener(dp, backend->id, is_v6, &cookie);

		if (!err && cookie == listener->cookie)
			err = datapath_remove_listener(dp, backend->id, is_v6);
		if (err && err != -ENOENT)
			scan->unread = err;
	}
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
static const struct sockets_listener *is_worse(const struct backend *backend,
					       const struct sockets_listener *known,
					       const struct sockets_listener *listener)
{
	if (known && (backend_is_blocked(backend, known) || !backend_is_blocked(backend, listener)))
		return known;
	return listeners_match(&backend->endpoint, &listener->endpoint) ? listener : known;
}

/* Strangers first: what they leave is free for its own. */
static void look_at_backend(void *arg, struct backend *backend)
{
	struct scan *scan = arg;
	__be16 port = backend->endpoint.port;
	size_t first = sorted_first(scan->listeners, scan->count, port), end = first;
	const struct sockets_listener *stranger = NULL;

	backend->queue = 0;
	backend->is_mptcp = false;
	if (backend->awaits)
		return;
	for (; end < scan->count && scan->listeners[end].endpoint.port == port; end++)
		if (!listener_is_own(backend, &scan->listeners[end])) {
			let_go(scan, backend, &scan->listeners[end]);
			stranger = is_worse(backend, stranger, &scan->listeners[end]);
		}
	for (size_t i = first; i < end; i++)
		if (listener_is_own(backend, &scan->listeners[i]))
			look_at_own(scan, backend, &scan->listeners[i]);
	if (stranger && !scan->present[backend->id][0] && !scan->present[backend->id][1])
		scan_want_stranger(scan, backend, stranger);
	else
		backend->stranger.inode = 0;
}

/* Those that are known from the look before are not looked for again. */
static int name_strangers(struct scan *scan)
{
	uint32_t *inodes = calloc(scan->stranger_count, sizeof(*inodes));
	struct sockets_holder *holders = calloc(scan->stranger_count, sizeof(*holders));
	size_t count = 0;
	int err = inodes && holders ? 0 : -ENOMEM;

	for (size_t i = 0; i < scan->stranger_count && !err; i++) {
		struct stranger *stranger = &scan->strangers[i];

		if (stranger->backend->stranger.inode == stranger->socket.inode)
			continue;
		inodes[count] = stranger->socket.inode;
		holders[count].user = stranger->socket.uid;
		scan->strangers[count++] = *stranger;
	}
	if (!err && count)
		err = sockets_find_holders(inodes, count, holders);
	for (size_t i = 0; i < count && !err; i++)
		port_user_set(&scan->strangers[i].backend->stranger, scan->strangers[i].backend,
			      &scan->strangers[i].socket, &holders[i]);
	free(inodes);
	free(holders);
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
static int begin_scan(struct scan *scan, uint16_t port)
{
	int err;

	scan->present = calloc(LB_MAX_BACKENDS, sizeof(*scan->present));
	if (!scan->present)
		return -ENOMEM;
	err = sockets_each_listener(port, collect_listener, scan);
	if (!err)
		sorted_by_port(scan->listeners, scan->count);
	return err;
}

static void end_scan(struct scan *scan)
{
	free(scan->present);
	free(scan->listeners);
	free(scan->captures);
	free(scan->strangers);
}

int listeners_scan(struct model *model)
{
	struct scan scan = {.model = model, .anew = model->is_capture_owed};
	int err = begin_scan(&scan, 0);

	model->is_capture_owed = false;
	if (!err) {
		pool_each_backend(model, look_at_backend, &scan);
		err = scan_take(&scan);
	}
	if (!err && scan.stranger_count)
		err = name_strangers(&scan);
	if (!err) {
		pool_each_backend(model, tell_backend, &scan);
		shadowed_look(model, scan.listeners, scan.count);
	}
	model->is_capture_owed |= err && scan.anew;
	end_scan(&scan);
	if (!err && scan.unread) {
		err = scan.unread;
		model->hooks.scan_later(model);
	}
	return err;
}

int scan_capture(struct model *model, struct backend *const *backends, size_t count)
{
	struct scan scan = {.model = model, .anew = true};
	uint16_t port = count == 1 ? ntohs(backends[0]->endpoint.port) : 0;
	int err = begin_scan(&scan, port);

	for (size_t i = 0; !err && i < count; i++)
		look_at_backend(&scan, backends[i]);
	if (!err)
		err = scan_take(&scan);
	end_scan(&scan);
	model->is_capture_owed |= err != 0;
	return model->is_capture_owed ? -EAGAIN : 0;
}

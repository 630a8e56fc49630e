/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "backend.h"
#include "clock.h"
#include "log.h"

enum { LOOK_AGAIN_US = 500 * 1000 }; /* where nothing tells of listeners */

static void handle_event(void *arg, const struct lb_event *event)
{
	struct model *model = arg;
	struct backend *backend;

	if (event->backend >= LB_MAX_BACKENDS)
		return;
	backend = model->by_id[event->backend];
	if (!backend || backend->generation != event->generation)
		return;
	if (event->type == LB_BACKEND_EMPTY) {
		backend_empty(backend);
		return;
	}
	if (event->type == LB_QUEUE_FULL) {
		stuck_seen(backend);
		return;
	}
	backend->tracked[event->is_v6] = event->type == LB_LISTENER_OPENED;
	backend_set_listener(backend, event->is_v6, event->type == LB_LISTENER_OPENED);
	/* Others may listen there too (SO_REUSEPORT). */
	if (event->type == LB_LISTENER_CLOSED && !backend->worker)
		listeners_scan_later(model);
}

static int handle_readable(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct model *model = arg;
	uint64_t reasons[LB_REASON_COUNT] = {0};
	int err = datapath_read_events(model->dp, handle_event, model);

	(void)source, (void)fd, (void)revents;
	/* Where some were lost there were many: lbd did not come to read them. */
	if (!err && !datapath_read_reasons(model->dp, reasons) &&
	    reasons[LB_TRACK_EVENT_LOST] != model->events_lost) {
		model->events_lost = reasons[LB_TRACK_EVENT_LOST];
		listeners_scan_later(model);
	}
	return err;
}

static int on_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct model *model = arg;
	int err = listeners_scan(model);

	(void)source, (void)now;
	if (err)
		log_error("cannot look for listeners: %s", strerror(-err));
	if (err || !datapath_tracks(model->dp))
		clock_arm(model->event, &model->scan_timer, LOOK_AGAIN_US, on_look, model);
	return 0;
}

void listeners_scan_later(struct model *model)
{
	clock_arm(model->event, &model->scan_timer, 0, on_look, model);
}

int listeners_watch(struct model *model, sd_event_source **source)
{
	if (!datapath_tracks(model->dp))
		listeners_scan_later(model);
	return sd_event_add_io(model->event, source, datapath_events_fd(model->dp), EPOLLIN,
			       handle_readable, model);
}

bool listeners_match(const struct lb_endpoint *backend, const struct sockets_listener *listener)
{
	const struct lb_endpoint *bound = &listener->endpoint;

	if (bound->port != backend->port)
		return false;
	if (!memcmp(&bound->addr, &backend->addr, sizeof(bound->addr)))
		return true;
	if (addr_is_any(&bound->addr) || addr_is_any(&backend->addr))
		return true;
	return addr_is_loopback(&bound->addr) && addr_is_loopback(&backend->addr) &&
	       addr_is_v4(&bound->addr) != addr_is_v4(&backend->addr);
}

/* The backend that has exactly the address that the socket is bound to. */
static const struct backend *owner_of(const struct model *model,
				      const struct sockets_listener *listener)
{
	const struct backend *owner;
	uint16_t id;

	if (datapath_get_backend_id(model->dp, &listener->endpoint, &id) || id >= LB_MAX_BACKENDS)
		return NULL;
	owner = model->by_id[id];
	return owner && !memcmp(&owner->endpoint, &listener->endpoint, sizeof(owner->endpoint))
		       ? owner
		       : NULL;
}

bool listeners_serves(const struct backend *backend, const struct sockets_listener *listener)
{
	const struct backend *owner;

	if (!listeners_match(&backend->endpoint, listener))
		return false;
	owner = owner_of(backend->model, listener);
	return !owner || owner == backend;
}

/* A listener to put into a backend's slot, or (in_place) whose process is to be watched. */
struct capture {
	struct backend *backend;
	struct sockets_listener listener;
	bool is_v6, in_place;
};

struct scan {
	struct model *model;
	struct sockets_listener *listeners;
	size_t count, room;
	struct capture *captures;
	size_t capture_count, capture_room;
	bool (*present)[2]; /* by backend id */
	bool failed;
};

static void collect_listener(void *arg, const struct sockets_listener *listener)
{
	struct scan *scan = arg;

	if (scan->count == scan->room) {
		size_t room = scan->room ? 2 * scan->room : 64;
		void *grown = realloc(scan->listeners, room * sizeof(*listener));

		if (!grown) {
			scan->failed = true;
			return;
		}
		scan->listeners = grown;
		scan->room = room;
	}
	scan->listeners[scan->count++] = *listener;
}

static void want_capture(struct scan *scan, const struct capture *capture)
{
	if (scan->capture_count == scan->capture_room) {
		size_t room = scan->capture_room ? 2 * scan->capture_room : 64;
		void *grown = realloc(scan->captures, room * sizeof(*scan->captures));

		if (!grown) {
			scan->failed = true;
			return;
		}
		scan->captures = grown;
		scan->capture_room = room;
	}
	scan->captures[scan->capture_count++] = *capture;
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

	if (scan->present[backend->id][is_v6])
		return;
	scan->present[backend->id][is_v6] = true;
	capture.in_place = !datapath_get_listener(scan->model->dp, backend->id, is_v6, &cookie);
	if (capture.in_place &&
	    (cookie != listener->cookie || !needs_holder(backend, is_v6, listener->inode)))
		return;
	want_capture(scan, &capture);
}

/* It stood in for the backend's own until the one came whose address it has. */
static void let_go(struct scan *scan, struct backend *backend,
		   const struct sockets_listener *listener)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;

		if (!datapath_get_listener(scan->model->dp, backend->id, is_v6, &cookie) &&
		    cookie == listener->cookie)
			datapath_remove_listener(scan->model->dp, backend->id, is_v6);
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

static void look_at_backend(void *arg, struct backend *backend)
{
	struct scan *scan = arg;
	__be16 port = backend->endpoint.port;

	backend->queue = 0;
	if (backend->awaits)
		return;
	for (size_t i = first_of_port(scan, port);
	     i < scan->count && scan->listeners[i].endpoint.port == port; i++) {
		const struct sockets_listener *listener = &scan->listeners[i];

		if (!listeners_match(&backend->endpoint, listener))
			continue;
		if (!listeners_serves(backend, listener)) {
			let_go(scan, backend, listener);
			continue;
		}
		backend->queue += listener->queue;
		if (!listener->is_v6 || !listener->v6only)
			look_at_slot(scan, backend, listener, false);
		if (listener->is_v6)
			look_at_slot(scan, backend, listener, true);
	}
}

/* Takes it from its process, which is watched where nothing else tells of the listener's end. */
static int take_one(struct model *model, const struct capture *capture,
		    const struct sockets_owner *owner)
{
	struct backend *backend = capture->backend;
	int pidfd = -1, err = 0, fd = owner->pid ? sockets_take(owner, &pidfd) : -ESRCH;

	if (fd < 0)
		return fd;
	if (!capture->in_place)
		err = datapath_set_listener(model->dp, backend->id, backend->generation,
					    capture->is_v6, fd);
	close(fd);
	if (!err && needs_holder(backend, capture->is_v6, owner->inode))
		holder_watch(&backend->holders[capture->is_v6], model, pidfd, owner->inode);
	else
		close(pidfd);
	return err;
}

static int take_all(struct scan *scan)
{
	uint32_t *inodes = calloc(scan->capture_count, sizeof(*inodes));
	struct sockets_owner *owners = calloc(scan->capture_count, sizeof(*owners));
	int err = -ENOMEM;

	if (!inodes || !owners)
		goto out;
	for (size_t i = 0; i < scan->capture_count; i++)
		inodes[i] = scan->captures[i].listener.inode;
	err = sockets_find_owners(inodes, scan->capture_count, owners);
	for (size_t i = 0; i < scan->capture_count && !err; i++) {
		struct backend *backend = scan->captures[i].backend;
		int one = take_one(scan->model, &scan->captures[i], &owners[i]);

		if (!one)
			continue;
		if (scan->captures[i].in_place) { /* not to be asked for again */
			backend->holders[scan->captures[i].is_v6].inode = inodes[i];
			continue;
		}
		scan->present[backend->id][scan->captures[i].is_v6] = false;
		snprintf(backend->note, sizeof(backend->note),
			 "its listener cannot be taken from its process: %s", strerror(-one));
	}
out:
	free(inodes);
	free(owners);
	return err;
}

void listeners_look(struct backend *backend)
{
	for (int is_v6 = 0; is_v6 < 2; is_v6++) {
		uint64_t cookie;

		backend_set_listener(backend, is_v6,
				     !datapath_get_listener(backend->model->dp, backend->id, is_v6,
							    &cookie));
	}
}

static void tell_backend(void *arg, struct backend *backend)
{
	struct scan *scan = arg;

	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		backend_set_listener(backend, is_v6, scan->present[backend->id][is_v6]);
}

int listeners_scan(struct model *model)
{
	struct scan scan = {.model = model};
	int err;

	scan.present = calloc(LB_MAX_BACKENDS, sizeof(*scan.present));
	if (!scan.present)
		return -ENOMEM;
	err = sockets_each_listener(0, collect_listener, &scan);
	if (err)
		goto out;
	if (scan.count)
		qsort(scan.listeners, scan.count, sizeof(*scan.listeners), by_port);
	pool_each_backend(model, look_at_backend, &scan);
	if (scan.failed)
		err = -ENOMEM;
	else if (scan.capture_count)
		err = take_all(&scan);
	if (!err)
		pool_each_backend(model, tell_backend, &scan);
out:
	free(scan.present);
	free(scan.listeners);
	free(scan.captures);
	return err;
}

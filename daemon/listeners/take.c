/* SPDX-License-Identifier: Apache-2.0 */
/* What a look has found to be a backend's and not in place: taken from its process, and put into the kernel side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "host/process/process.h"
#include "listeners/private.h"
#include "looks/holder.h"
#include "model/listener.h"
#include "worker/worker.h"

enum { FIND_AGAIN = 5 };

bool scan_grow(struct scan *scan, void **list, size_t count, size_t *room, size_t bytes)
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

void scan_want_capture(struct scan *scan, const struct capture *capture)
{
	if (scan_grow(scan, (void **)&scan->captures, scan->capture_count, &scan->capture_room,
		      sizeof(*capture)))
		scan->captures[scan->capture_count++] = *capture;
}

void scan_want_stranger(struct scan *scan, struct backend *backend,
			const struct sockets_listener *listener)
{
	struct stranger stranger = {backend, *listener};

	if (scan_grow(scan, (void **)&scan->strangers, scan->stranger_count, &scan->stranger_room,
		      sizeof(stranger)))
		scan->strangers[scan->stranger_count++] = stranger;
}

bool scan_needs_holder(const struct backend *backend, bool is_v6, uint32_t inode)
{
	return !backend->worker && !backend->tracked[is_v6] &&
	       backend->holders[is_v6].inode != inode;
}

/* Its process is watched where nothing else tells of the listener's end. */
static int take_one(struct model *model, const struct capture *capture,
		    const struct sockets_holder *holder)
{
	struct backend *backend = capture->backend;
	const struct datapath_capture wanted = {.thread = holder->thread,
						.fd = holder->fd,
						.inode = holder->inode,
						.backend = backend->id,
						.generation = backend->generation,
						.is_v6 = capture->is_v6};
	int pidfd = holder->pid ? process_open(holder->pid) : -ESRCH, err;

	if (pidfd < 0)
		return pidfd;
	err = datapath_capture(model->dp, &wanted);
	if (!err && scan_needs_holder(backend, capture->is_v6, holder->inode))
		holder_watch(&backend->holders[capture->is_v6], model, pidfd, holder->inode);
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
static struct sockets_holder place_of(const struct capture *capture)
{
	const struct worker *worker = capture->backend->worker;

	return (struct sockets_holder){.session = session_of(capture),
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
		scan_want_stranger(scan, backend, &capture->listener);
	else
		backend_note(backend, "its listener cannot be taken from its process: %s",
			     strerror(-err));
}

/* Whoever was found to have it may have ended since, a child of the worker, say: others have it still. */
static int take_found(struct model *model, const struct capture *capture,
		      struct sockets_holder *holder)
{
	uint32_t inode = capture->listener.inode;
	int err = take_one(model, capture, holder);

	for (unsigned turn = 0; turn < FIND_AGAIN && err == -ESRCH; turn++) {
		*holder = place_of(capture);
		err = sockets_find_holders(&inode, 1, holder);
		if (!err)
			err = take_one(model, capture, holder);
	}
	return err;
}

static int take_all(struct scan *scan)
{
	uint32_t *inodes = calloc(scan->capture_count, sizeof(*inodes));
	struct sockets_holder *holders = calloc(scan->capture_count, sizeof(*holders));
	int err = -ENOMEM;

	if (!inodes || !holders)
		goto out;
	for (size_t i = 0; i < scan->capture_count; i++) {
		inodes[i] = scan->captures[i].listener.inode;
		holders[i] = place_of(&scan->captures[i]);
	}
	err = sockets_find_holders(inodes, scan->capture_count, holders);
	for (size_t i = 0; i < scan->capture_count && !err; i++) {
		int one = take_found(scan->model, &scan->captures[i], &holders[i]);

		if (one)
			take_failed(scan, &scan->captures[i], one);
	}
out:
	free(inodes);
	free(holders);
	return err;
}

int scan_take(struct scan *scan)
{
	if (scan->failed)
		return -ENOMEM;
	return scan->capture_count ? take_all(scan) : 0;
}

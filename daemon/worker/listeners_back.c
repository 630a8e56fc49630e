/* SPDX-License-Identifier: Apache-2.0 */
/* Inherited listeners of a process that an lbd before has started: taken back from it, at once or later. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/net/inherit.h"
#include "worker/private.h"

enum {
	TAKE_PAUSE_US = 500 * 1000, /* twice as long after each time, up to: */
	TAKE_PAUSE_MOST_US = 64 * 1000 * 1000,
};

/* One that the worker has closed is gone with its queue: the next start opens it anew. */
static int take_sockets(struct worker *worker)
{
	const uint64_t *inodes = worker->record.listen_inodes;
	int err = 0;

	for (int i = 0; i < 2; i++) {
		if (!inodes[i] || worker->listeners[i] >= 0 || (i && inodes[1] == inodes[0]))
			continue;
		worker->listeners[i] = inherit_take(worker->pid, inodes[i]);
		if (worker->listeners[i] < 0 && worker->listeners[i] != -ENOENT)
			err = worker->listeners[i];
	}
	if (inodes[1] && inodes[1] == inodes[0])
		worker->listeners[1] = worker->listeners[0];
	return err;
}

static void take_later(struct worker *worker, uint64_t pause_us, int err);

int worker_go_on_listening(struct worker *worker)
{
	int err = worker_revive_listeners(worker);

	if (!err)
		return worker_watch_listeners(worker);
	log_warning("worker %s: its inherited listener was shut down, and cannot be used any more: "
		    "%s",
		    worker->name, strerror(-err));
	worker_end_listeners(worker);
	return 0;
}

static int on_take(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;
	int err = worker->pidfd < 0 ? 0 : take_sockets(worker);

	(void)source, (void)now;
	if (err) {
		take_later(worker, worker->take_pause_us * 2, err);
		return 0;
	}
	worker->take_timer = sd_event_source_disable_unref(worker->take_timer);
	if (!worker_has_listener(worker))
		return 0;
	log_info("worker %s: its inherited listener is taken back", worker->name);
	err = worker_go_on_listening(worker);
	if (err) {
		log_warning("worker %s: its inherited listener cannot be watched, and is given up: "
			    "%s",
			    worker->name, strerror(-err));
		worker_end_listeners(worker);
	}
	if (worker_has_listener(worker))
		worker->ops->relistened(worker->arg);
	return 0;
}

/* Danger: each try may last, see aside.h; so there are ever fewer. */
static void take_later(struct worker *worker, uint64_t pause_us, int err)
{
	worker->take_pause_us = pause_us < TAKE_PAUSE_MOST_US ? pause_us : TAKE_PAUSE_MOST_US;
	if (clock_arm_anew(worker->host->event, &worker->take_timer, worker->take_pause_us,
			   CLOCK_SLACK_US, on_take, worker) < 0)
		log_warning("worker %s: its inherited listener cannot be taken back: %s; its next "
			    "start opens it anew",
			    worker->name, strerror(-err));
	else if (worker->take_pause_us == TAKE_PAUSE_US)
		log_warning("worker %s: its inherited listener cannot be taken back yet: %s; until "
			    "then no client reaches it",
			    worker->name, strerror(-err));
}

void worker_take_listeners(struct worker *worker)
{
	int err = take_sockets(worker);

	if (err)
		take_later(worker, TAKE_PAUSE_US, err);
}

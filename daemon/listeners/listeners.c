/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners/listeners.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "looks/stuck.h"

enum {
	LOOK_AGAIN_US = 500 * 1000,   /* where nothing tells of listeners */
	DENIED_PAUSE_US = 100 * 1000, /* between two looks that a stranger has brought about */
};

static int on_look(sd_event_source *source, uint64_t now, void *arg);

/* However often somebody listens and closes again. */
static void scan_for_stranger(struct model *model)
{
	uint64_t next_us = model->stranger_look_us + DENIED_PAUSE_US, now_us = clock_us();

	model->stranger_look_us = next_us > now_us ? next_us : now_us;
	clock_arm(model->event, &model->scan_timer, model->stranger_look_us - now_us, on_look,
		  model);
}

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
	if (event->type == LB_LISTENER_DENIED) {
		backend->denied = true;
		scan_for_stranger(model);
		return;
	}
	backend->tracked[event->is_v6] = event->type == LB_LISTENER_OPENED;
	backend_set_listener(backend, event->is_v6, event->type == LB_LISTENER_OPENED);
	/* It may have others there (SO_REUSEPORT). */
	if (event->type == LB_LISTENER_CLOSED)
		listeners_scan_later(model);
}

/*
 * Which events were lost nobody knows: what each would have told is looked up.  Listeners are found by the
 * scan that follows.
 */
static void make_good(void *arg, struct backend *backend)
{
	struct lb_backend known = {0};

	(void)arg;
	backend->denied = true;
	if (!datapath_get_backend(backend->model->dp, backend->id, &known) && known.queue_full)
		stuck_seen(backend);
	if (backend->state == STATE_DRAINING && !backend_connections(backend))
		backend_empty(backend);
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
		pool_each_backend(model, make_good, NULL);
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
	model->hooks.scan = listeners_scan;
	model->hooks.scan_later = listeners_scan_later;
	if (!datapath_tracks(model->dp))
		listeners_scan_later(model);
	return sd_event_add_io(model->event, source, datapath_events_fd(model->dp), EPOLLIN,
			       handle_readable, model);
}

void listeners_capture(struct model *model, struct backend *const *backends, size_t count)
{
	if (scan_capture(model, backends, count))
		listeners_scan_later(model);
}

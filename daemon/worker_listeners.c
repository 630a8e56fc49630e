/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners that lbd opened for a worker and keeps (`listen inherit`).  A process that was given one
 * can shut it down for everybody; epoll tells of that, and of nothing else, as EPOLLHUP.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "inherit.h"
#include "log.h"
#include "worker_private.h"

enum { PAUSE_US = 1000 * 1000 }; /* between two times, for one who does it again and again */

static int on_pause_over(sd_event_source *source, uint64_t now, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)now;
	for (int i = 0; i < 2; i++)
		if (worker->listener_sources[i])
			sd_event_source_set_enabled(worker->listener_sources[i], SD_EVENT_ON);
	return 0;
}

static int on_shut_down(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct worker *worker = arg;
	int ret = inherit_listen_again(fd, worker->conf->backlog);

	(void)events;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	worker_timer(worker, &worker->listener_timer, PAUSE_US, on_pause_over);
	if (!ret)
		return 0;
	if (ret < 0) {
		log_warning("worker %s: its inherited listener cannot be used any more: %s",
			    worker->name, strerror(-ret));
		worker_close_listeners(worker);
		worker->ops->hung(worker->arg);
		return 0;
	}
	worker->relistened++;
	log_warning("worker %s: its inherited listener was shut down by one of its processes; it "
		    "listens again (%u times so far)",
		    worker->name, worker->relistened);
	worker->ops->relistened(worker->arg);
	return 0;
}

int worker_watch_listeners(struct worker *worker)
{
	int err = 0;

	for (int i = 0; i < 2 && err >= 0; i++) {
		int fd = worker->listeners[i];

		if (fd < 0 || worker->listener_sources[i] || (i && fd == worker->listeners[0]))
			continue;
		err = sd_event_add_io(worker->host->event, &worker->listener_sources[i], fd, 0,
				      on_shut_down, worker);
	}
	return err < 0 ? err : 0;
}

int worker_revive_listeners(struct worker *worker)
{
	int ret = 0;

	for (int i = 0; i < 2 && ret >= 0; i++)
		if (worker->listeners[i] >= 0)
			ret = inherit_listen_again(worker->listeners[i], worker->conf->backlog);
	return ret < 0 ? ret : 0;
}

void worker_close_listeners(struct worker *worker)
{
	worker->listener_timer = sd_event_source_disable_unref(worker->listener_timer);
	for (int i = 0; i < 2; i++)
		worker->listener_sources[i] =
			sd_event_source_disable_unref(worker->listener_sources[i]);
	inherit_close(worker->listeners);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listeners that lbd opened for a worker and keeps (`listen inherit`).  A process that was given one
 * can shut it down for everybody; epoll tells of that, and of nothing else, as EPOLLHUP.
 *
 * Danger: it can also pass one on (SCM_RIGHTS, unix(7)) to a process that outlives it, and answers its
 * clients from then on.  Whoever has it once the worker has ended is not to have it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/net/holder_text.h"
#include "host/net/inherit.h"
#include "host/net/inherit_options.h"
#include "host/net/sockets.h"
#include "host/process/stranger.h"
#include "worker/private.h"

enum {
	PAUSE_US = 1000 * 1000, /* between two times, for one who does it again and again */
	SCAN_SHARE = 20,        /* of the time one part is spent on walks through /proc */
};

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
	clock_arm_anew(worker->host->event, &worker->listener_timer, PAUSE_US, CLOCK_SLACK_US,
		       on_pause_over, worker);
	if (!ret)
		return 0;
	if (ret < 0) {
		log_warning("worker %s: its inherited listener cannot be used any more: %s",
			    worker->name, strerror(-ret));
		worker_end_listeners(worker);
		worker->ops->unlistened(worker->arg);
		return 0;
	}
	worker->past.relistened++;
	log_warning("worker %s: its inherited listener was shut down by one of its processes; it "
		    "listens again (%u times so far)",
		    worker->name, worker->past.relistened);
	worker->ops->relistened(worker->arg);
	return 0;
}

bool worker_has_listener(const struct worker *worker)
{
	return worker_listener(worker, false) >= 0 || worker_listener(worker, true) >= 0;
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

static void unwatch_listeners(struct worker *worker)
{
	worker->take_timer = sd_event_source_disable_unref(worker->take_timer);
	worker->listener_timer = sd_event_source_disable_unref(worker->listener_timer);
	for (int i = 0; i < 2; i++)
		worker->listener_sources[i] =
			sd_event_source_disable_unref(worker->listener_sources[i]);
}

void worker_close_listeners(struct worker *worker)
{
	unwatch_listeners(worker);
	inherit_close(worker->listeners, worker->listener_user);
}

void worker_end_listeners(struct worker *worker)
{
	inherit_end(worker->listeners, worker->listener_user);
	worker_close_listeners(worker);
}

/* In the place of those that it has, if any. */
static int open_anew(struct worker *worker, struct error *error)
{
	const struct conf_worker *conf = worker->conf;
	struct lb_endpoint at = {conf->addr, htons(worker->launch_name.port), IPPROTO_TCP, 0};
	int err;

	unwatch_listeners(worker);
	worker->listener_settings = 0;
	err = inherit_renew(&at, conf->dual_stack, conf->backlog, worker->listeners,
			    worker->listener_user, error);
	if (err)
		return err;
	err = worker_watch_listeners(worker);
	if (!err)
		return 0;
	worker_end_listeners(worker); /* the next start tries again */
	return error_set(error, err, "listeners: %s", strerror(-err));
}

/* Those that the configuration asks for now. */
static void renew_listeners(struct worker *worker)
{
	struct error error;

	if (!worker->conf->inherit)
		worker_end_listeners(worker);
	else if (open_anew(worker, &error))
		log_warning("worker %s: %s", worker->name, error.text);
	else
		worker->ops->relistened(worker->arg);
}

bool worker_drop_listeners(struct worker *worker)
{
	const struct conf_worker *conf = worker->conf;

	if (!worker_has_listener(worker) ||
	    (conf->inherit && inherit_fits(worker->listeners, &conf->addr, conf->dual_stack)))
		return false;
	renew_listeners(worker);
	return true;
}

static unsigned inodes_of(const struct worker *worker, uint32_t inodes[2])
{
	unsigned count = 0;

	for (int i = 0; i < 2; i++)
		if (worker->listeners[i] >= 0 &&
		    !(i && worker->listeners[1] == worker->listeners[0]))
			inodes[count++] = inherit_inode(worker->listeners[i]);
	return count;
}

/* Workers that end again and again are looked at less often: the walks take no more than their share. */
static bool find_holders(const uint32_t *inodes, unsigned count, struct sockets_holder *holders)
{
	static uint64_t next_us;
	uint64_t start_us = clock_us(), end_us;

	if (start_us < next_us)
		return false;
	sockets_find_holders(inodes, count, holders);
	end_us = clock_us();
	next_us = end_us + (end_us - start_us) * SCAN_SHARE;
	return true;
}

static void tell_holder(const char *name, const struct sockets_holder *holder)
{
	char text[128];

	holder_text(holder, 0, text, sizeof(text));
	log_warning("worker %s: its inherited listener is held by %s, to whom the worker must have "
		    "passed it: it is shut down, so that clients get no answers of that one",
		    name, text);
}

void worker_expire_listeners(struct worker *worker)
{
	worker->is_expired = true;
}

static bool is_spoilt(const struct worker *worker, int fd)
{
	const char *option = fd < 0 ? NULL : inherit_restore_options(fd);

	if (option)
		log_warning("worker %s: its process has set %s of its inherited listener, by which "
			    "later clients may get no answer: it is opened anew, and what waited "
			    "there is lost",
			    worker->name, option);
	return option;
}

/*
 * With other settings it may be another program, of another user, whom the one before is not to hold up.
 * Danger: what keys a socket has is told of one that listens alone, so it is made to listen before.
 */
static bool may_go_on(struct worker *worker)
{
	uint64_t settings = worker->listener_settings;

	return worker_has_listener(worker) && !worker->is_expired &&
	       (!settings || settings == worker->conf->fingerprint) &&
	       !worker_revive_listeners(worker) && !is_spoilt(worker, worker->listeners[0]) &&
	       !is_spoilt(worker, worker->listeners[1]);
}

int worker_prepare_listeners(struct worker *worker, struct error *error)
{
	bool goes_on;
	int err;

	if (worker->is_unlooked)
		worker_reclaim_listeners(worker);
	goes_on = may_go_on(worker);
	worker->is_expired = false;
	if (!goes_on)
		return open_anew(worker, error);
	err = worker_watch_listeners(worker);
	return err ? error_set(error, err, "listeners: %s", strerror(-err)) : 0;
}

void worker_reclaim_listeners(struct worker *worker)
{
	struct sockets_holder likely = {.no_copy = true, .user = worker->listener_user};
	struct sockets_holder holders[2] = {likely, likely};
	uint32_t inodes[2];
	unsigned count = inodes_of(worker, inodes);
	bool is_held = false;

	worker->is_unlooked = count && !find_holders(inodes, count, holders);
	for (unsigned i = 0; i < count; i++) {
		if (!holders[i].pid || holders[i].pid == getpid())
			continue;
		tell_holder(worker->name, &holders[i]);
		is_held = true;
	}
	if (is_held)
		renew_listeners(worker);
}

/* An inode's number may be another socket's by now. */
static bool listens_on(int fd, uint16_t port)
{
	struct sockaddr_storage sa = {0};
	socklen_t length = sizeof(sa), int_length = sizeof(int);
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_length) || !listens ||
	    getsockname(fd, (struct sockaddr *)&sa, &length))
		return false;
	return sa.ss_family == AF_INET6
		       ? ((struct sockaddr_in6 *)&sa)->sin6_port == htons(port)
		       : sa.ss_family == AF_INET &&
				 ((struct sockaddr_in *)&sa)->sin_port == htons(port);
}

void worker_reclaim_recorded(const char *name, const struct record *record)
{
	const char *colon = strrchr(name, ':');
	struct sockets_holder holders[2] = {{.no_copy = true}, {.no_copy = true}};
	uint32_t inodes[2];
	unsigned count = 0;

	for (int i = 0; i < 2; i++)
		if (record->listen_inodes[i] &&
		    !(i && count && record->listen_inodes[1] == inodes[0]))
			inodes[count++] = record->listen_inodes[i];
	if (!count || !colon || sockets_find_holders(inodes, count, holders))
		return;
	for (unsigned i = 0; i < count; i++) {
		bool is_others = holders[i].pid && holders[i].pid != getpid();
		struct sockets_taken taken;

		if (!is_others || sockets_take(&holders[i], &taken))
			continue;
		if (listens_on(taken.fd, atoi(colon + 1))) {
			tell_holder(name, &holders[i]);
			inherit_end((int[2]){taken.fd, -1}, taken.user);
		}
		sockets_give_back(&taken);
	}
	stranger_flush();
}

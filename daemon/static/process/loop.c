// SPDX-License-Identifier: Apache-2.0
#include "static/process/loop.h"

#include "static/connection/connections.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 256,
	ACCEPTS = 64,      /* of one listener, before the connections get their turn */
	RETRY_MS = 100,    /* until accept is tried again, when nothing told that it may work */
	TRIM_MS = 15000,   /* between looks for answers that nobody asked for lately */
	UNUSED_MS = 60000, /* after which they are let go */
};

struct loop {
	struct server *server;
	struct listeners *listeners;
	int signals;
	bool paused;          /* the listeners are not watched: no connection more is possible */
	unsigned paused_at;   /* connections, then */
	uint64_t retry_ms;    /* when accept is tried again, while paused */
	uint64_t trim_ms;     /* when the cache is looked through next */
	uint64_t deadline_ms; /* when to leave, once stopping */
	struct epoll_event events[EVENTS];
};

static void tell_time(struct server *server)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	server->now_ms = now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	if (now.tv_sec != server->now) {
		server->now = now.tv_sec;
		date_format(server->date, server->now);
	}
}

static int watch_descriptor(struct server *server, int fd, void *pointer, int verb)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = pointer};

	return epoll_ctl(server->epoll, verb, fd, &event) ? -errno : 0;
}

static bool is_listener(const struct loop *loop, const void *pointer)
{
	const int *fd = pointer;

	return fd >= loop->listeners->fd && fd < loop->listeners->fd + LISTENS_MAX;
}

/*
 * No descriptor or no room for another connection: who waits stays in the accept queue, where the
 * balancer sees it.  Watching on would only spin.
 */
static void pause_accept(struct loop *loop)
{
	if (loop->paused)
		return;
	loop->paused = true;
	loop->paused_at = loop->server->connections;
	loop->retry_ms = loop->server->now_ms + RETRY_MS;
	loop->server->counters->accept_paused.value++;
	for (unsigned i = 0; i < loop->listeners->count; i++)
		watch_descriptor(loop->server, loop->listeners->fd[i], NULL, EPOLL_CTL_DEL);
}

static void resume_accept(struct loop *loop)
{
	if (!loop->paused ||
	    (loop->server->connections >= loop->paused_at && loop->server->now_ms < loop->retry_ms))
		return;
	loop->paused = false;
	for (unsigned i = 0; i < loop->listeners->count; i++)
		watch_descriptor(loop->server, loop->listeners->fd[i], &loop->listeners->fd[i],
				 EPOLL_CTL_ADD);
}

static bool has_room(struct loop *loop)
{
	struct server *server = loop->server;

	return server->connections < server->connections_max || connections_evict(server);
}

/* Errors of the connection that was to be accepted, not of the listener: accept(2). */
static bool is_passing(int err)
{
	return err == EINTR || err == ECONNABORTED || err == EPROTO || err == ENETDOWN ||
	       err == ENETUNREACH || err == EHOSTUNREACH || err == EHOSTDOWN || err == ENONET;
}

/* True when there may be more to accept. */
static bool accept_one(struct loop *loop, int listener)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	struct address client;
	int fd;

	if (!has_room(loop)) {
		pause_accept(loop);
		return false;
	}
	fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		client = address_of((struct sockaddr *)&peer);
		connections_add(loop->server, fd, &client);
		return true;
	}
	if (errno == EAGAIN)
		return false;
	if (is_passing(errno))
		return true;
	/* EMFILE, ENFILE, ENOBUFS, ENOMEM: one that only waits, or a cached file, can be spared. */
	if (cache_drop_oldest(&loop->server->cache) || connections_evict(loop->server))
		return true;
	pause_accept(loop);
	return false;
}

static void accept_some(struct loop *loop, int listener)
{
	for (unsigned i = 0; i < ACCEPTS; i++)
		if (!accept_one(loop, listener))
			return;
}

/*
 * What waits in a queue of ours would be reset with it: it is accepted first.  The queue of an
 * inherited listener is left to whoever else holds it.
 */
static void begin_stop(struct loop *loop)
{
	struct server *server = loop->server;

	if (server->stopping)
		return;
	loop->deadline_ms = server->now_ms + server->options->limits.stop_ms;
	server->stopping = true;
	for (unsigned i = 0; i < loop->listeners->count && !loop->listeners->inherited; i++)
		while (accept_one(loop, loop->listeners->fd[i]))
			;
	pause_accept(loop);
	listeners_close(loop->listeners);
	connections_stop(server);
}

static void reopen_log(struct loop *loop)
{
	struct fault fault;

	if (loop->server->log && log_reopen(loop->server->log, &fault))
		fprintf(stderr, "lbstatic: %s; the old one is kept\n", fault.text);
}

static void take_signal(struct loop *loop)
{
	struct signalfd_siginfo info;

	if (read(loop->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR1)
		reopen_log(loop);
	else
		begin_stop(loop);
}

static void dispatch_event(struct loop *loop, const struct epoll_event *event)
{
	if (is_listener(loop, event->data.ptr)) {
		if (!loop->server->stopping) /* they are closed then */
			accept_some(loop, *(int *)event->data.ptr);
	} else if (event->data.ptr != loop) {
		connections_event(loop->server, event->data.ptr, event->events);
	}
}

/*
 * Signals go first, wherever in the batch they are: a request that came before SIGTERM, but is answered
 * in the same turn, must be told that its connection closes.
 */
static void dispatch_all(struct loop *loop, int count)
{
	for (int i = 0; i < count; i++)
		if (loop->events[i].data.ptr == loop)
			take_signal(loop);
	for (int i = 0; i < count; i++)
		dispatch_event(loop, &loop->events[i]);
}

static int soonest(int wait_ms, uint64_t due_ms, uint64_t now_ms)
{
	int left = due_ms > now_ms ? (int)(due_ms - now_ms) : 0;

	return wait_ms < 0 || left < wait_ms ? left : wait_ms;
}

/* How long nothing needs to be done; -1, for ever, when nobody is there and nothing is kept. */
static int wait_ms(const struct loop *loop)
{
	const struct server *server = loop->server;
	int wait = timers_wait_ms(&server->timers, server->now_ms);

	if (server->turns)
		return 0;
	if (server->stopping)
		return soonest(wait, loop->deadline_ms, server->now_ms);
	if (loop->paused)
		wait = soonest(wait, loop->retry_ms, server->now_ms);
	if (server->cache.count)
		wait = soonest(wait, loop->trim_ms, server->now_ms);
	return wait;
}

static void trim_cache(struct loop *loop)
{
	struct server *server = loop->server;

	if (server->now_ms < loop->trim_ms)
		return;
	loop->trim_ms = server->now_ms + TRIM_MS;
	if (server->now_ms > UNUSED_MS)
		cache_trim(&server->cache, server->now_ms - UNUSED_MS);
}

static void loop_turn(struct loop *loop)
{
	struct server *server = loop->server;
	int count = epoll_wait(server->epoll, loop->events, EVENTS, wait_ms(loop));

	tell_time(server);
	dispatch_all(loop, count);
	connections_turn(server);
	connections_expire(server);
	connections_collect(server);
	if (!server->stopping)
		resume_accept(loop);
	log_flush(server->log);
	trim_cache(loop);
}

void loop_run(struct loop *loop)
{
	struct server *server = loop->server;

	tell_time(server);
	while (!server->stopping || (server->connections && server->now_ms < loop->deadline_ms))
		loop_turn(loop);
}

static int open_signals(struct loop *loop)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return loop->signals < 0
		       ? -errno
		       : watch_descriptor(loop->server, loop->signals, loop, EPOLL_CTL_ADD);
}

int loop_open(struct loop **out, struct server *server, struct listeners *listeners,
	      struct fault *fault)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err = 0;

	if (!loop)
		return fault_set(fault, -ENOMEM, "no memory");
	*out = loop;
	loop->server = server;
	loop->listeners = listeners;
	loop->signals = -1;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0)
		return fault_set(fault, -errno, "epoll: %s", strerror(errno));
	err = open_signals(loop);
	for (unsigned i = 0; i < listeners->count && !err; i++)
		err = watch_descriptor(server, listeners->fd[i], &listeners->fd[i], EPOLL_CTL_ADD);
	return err ? fault_set(fault, err, "epoll: %s", strerror(-err)) : 0;
}

void loop_close(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->signals >= 0)
		close(loop->signals);
	free(loop);
}

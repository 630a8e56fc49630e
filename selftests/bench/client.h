/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connections of the open-loop client: non-blocking, in one epoll set.
 *
 *   CLOSED ──start──► CONNECTING ──► WAITING ──response──► IDLE (kept) or DRAINING (until the
 *      ▲                   │ failure    │                   │            server closes)
 *      └───────────────────┴────────────┴───────────────────┘
 *
 * A request belongs to one connection from the moment it was intended.  A kept connection that is busy
 * queues its requests; their latency counts the wait.  The server closes first, so that its side and
 * not the client's few ports hold TIME_WAIT.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "response.h"
#include "tally.h"
#include "target.h"

enum { CLIENT_READ_SIZE = 65536, CLIENT_DRAINING_MAX = 2000 };

enum connection_state {
	CONNECTION_CLOSED,
	CONNECTION_CONNECTING,
	CONNECTION_WAITING,
	CONNECTION_IDLE,
	CONNECTION_DRAINING,
};

struct request {
	TAILQ_ENTRY(request) live; /* all that are not over, by intended start */
	TAILQ_ENTRY(request) queue;
	struct connection *connection;
	uint64_t intended;
	const char *text;
	size_t size;
};

struct connection {
	TAILQ_ENTRY(connection) list; /* of `free`, or of `draining` */
	TAILQ_HEAD(, request) queue;  /* the first one is under way unless CLOSED or IDLE */
	enum connection_state state;
	int fd;
	bool answered; /* one response at least came over this socket */
	const struct target *target;
	struct response response;
};

TAILQ_HEAD(requests, request);
TAILQ_HEAD(connections, connection);

struct client {
	int epoll;
	bool keep;
	const char *label; /* header that names the worker, or NULL */
	struct requests live;
	struct connections free, draining;
	size_t draining_count;
	struct tally *tally;
};

static inline uint64_t client_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline void connection_start(struct client *client, struct connection *c);

static inline void connection_close(struct client *client, struct connection *c)
{
	if (c->state == CONNECTION_DRAINING) {
		TAILQ_REMOVE(&client->draining, c, list);
		client->draining_count--;
	}
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->state = CONNECTION_CLOSED;
	if (!client->keep)
		TAILQ_INSERT_HEAD(&client->free, c, list);
}

static inline void request_end(struct client *client, struct request *r, enum outcome outcome)
{
	tally_add(client->tally, outcome, r->intended, client_now());
	TAILQ_REMOVE(&client->live, r, live);
	TAILQ_REMOVE(&r->connection->queue, r, queue);
	free(r);
}

/* The request under way failed: its connection with it.  What waits behind it gets another one. */
static inline void connection_fail(struct client *client, struct connection *c,
				   enum outcome outcome)
{
	request_end(client, TAILQ_FIRST(&c->queue), outcome);
	connection_close(client, c);
	if (!TAILQ_EMPTY(&c->queue))
		connection_start(client, c);
}

static inline enum outcome outcome_of(int error)
{
	return error == ECONNREFUSED ? OUTCOME_REFUSED
	       : error == ETIMEDOUT  ? OUTCOME_TIMEOUT
				     : OUTCOME_RESET;
}

/* Sends the first of the queue; requests are short enough to go out whole. */
static inline void connection_send(struct client *client, struct connection *c)
{
	struct request *r = TAILQ_FIRST(&c->queue);

	response_reset(&c->response);
	c->state = CONNECTION_WAITING;
	if (send(c->fd, r->text, r->size, MSG_NOSIGNAL) == (ssize_t)r->size)
		return;
	if (c->answered && errno == EPIPE) { /* closed by the server while idle: no failure yet */
		connection_close(client, c);
		connection_start(client, c);
		return;
	}
	connection_fail(client, c, OUTCOME_RESET);
}

static inline int connection_open(struct client *client, struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	int on = 1;

	c->answered = false;
	c->fd = socket(c->target->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event))
		return -errno;
	c->state = CONNECTION_CONNECTING;
	if (connect(c->fd, (const struct sockaddr *)&c->target->addr, c->target->length) &&
	    errno != EINPROGRESS)
		return -errno;
	return 0;
}

static inline void connection_start(struct client *client, struct connection *c)
{
	int err;

	if (c->state == CONNECTION_IDLE) {
		connection_send(client, c);
		return;
	}
	err = connection_open(client, c);
	if (err)
		connection_fail(client, c, outcome_of(-err));
}

static inline void connection_answered(struct client *client, struct connection *c)
{
	bool good = c->response.status == 200;

	if (client->label && good)
		tally_label(client->tally, c->response.label);
	request_end(client, TAILQ_FIRST(&c->queue), good ? OUTCOME_OK : OUTCOME_BAD);
	c->answered = true;
	c->state = CONNECTION_IDLE;
	if (!client->keep) {
		c->state = CONNECTION_DRAINING;
		TAILQ_INSERT_TAIL(&client->draining, c, list);
		if (++client->draining_count > CLIENT_DRAINING_MAX)
			connection_close(client, TAILQ_FIRST(&client->draining));
		return;
	}
	if (c->response.close)
		connection_close(client, c);
	if (!TAILQ_EMPTY(&c->queue))
		connection_start(client, c);
}

/* The server closed, or the connection broke (error is not 0). */
static inline void connection_ended(struct client *client, struct connection *c, int error)
{
	bool whole = !error && c->response.complete_head && c->response.body_left < 0;
	bool unanswered = c->answered && !c->response.have;

	if (c->state != CONNECTION_WAITING && c->state != CONNECTION_CONNECTING) {
		connection_close(client, c);
	} else if (whole) {
		c->response.close = true;
		connection_answered(client, c);
	} else if (unanswered && !error) { /* it crossed the close of an idle connection: again */
		connection_close(client, c);
		connection_start(client, c);
	} else {
		connection_fail(client, c, error ? outcome_of(error) : OUTCOME_RESET);
	}
}

static inline void connection_read(struct client *client, struct connection *c)
{
	static char buffer[CLIENT_READ_SIZE];

	while (c->fd >= 0) {
		ssize_t size = recv(c->fd, buffer, sizeof(buffer), 0);
		int done;

		if (size < 0 && errno == EAGAIN)
			return;
		if (size <= 0) {
			connection_ended(client, c, size < 0 ? errno : 0);
			return;
		}
		if (c->state != CONNECTION_WAITING)
			continue;
		done = response_feed(&c->response, buffer, (size_t)size, client->label);
		if (done < 0) {
			connection_fail(client, c, OUTCOME_BAD);
			return;
		}
		if (done)
			connection_answered(client, c);
	}
}

static inline void connection_event(struct client *client, struct connection *c, uint32_t events)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (c->fd < 0)
		return;
	if (c->state == CONNECTION_CONNECTING) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error) {
			connection_fail(client, c, outcome_of(error));
			return;
		}
		if (!(events & EPOLLOUT))
			return;
		connection_send(client, c);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		connection_read(client, c);
}

/* Takes a request that was intended for `intended` to the connection c. */
static inline int client_request(struct client *client, struct connection *c, uint64_t intended,
				 const char *text, size_t size)
{
	struct request *r = calloc(1, sizeof(*r));
	bool idle = TAILQ_EMPTY(&c->queue);

	if (!r)
		return -ENOMEM;
	*r = (struct request){.connection = c, .intended = intended, .text = text, .size = size};
	TAILQ_INSERT_TAIL(&client->live, r, live);
	TAILQ_INSERT_TAIL(&c->queue, r, queue);
	histogram_add(&client->tally->lateness, client_now() - intended);
	if (idle)
		connection_start(client, c);
	return 0;
}

/* Ends what was intended before `limit`. */
static inline void client_expire(struct client *client, uint64_t limit)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&client->live)) && r->intended < limit) {
		if (r == TAILQ_FIRST(&r->connection->queue))
			connection_fail(client, r->connection, OUTCOME_TIMEOUT);
		else
			request_end(client, r, OUTCOME_TIMEOUT);
	}
}

#endif

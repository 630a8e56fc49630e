// SPDX-License-Identifier: Apache-2.0
#include "static/connection/connections.h"

#include "static/connection/exchange.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct connection *of_timer(struct timer *timer)
{
	return (struct connection *)timer;
}

void connections_collect(struct server *server)
{
	struct connection **at = &server->closed, *connection;

	while ((connection = *at)) {
		/* One that still waits for its turn is freed after it. */
		if (connection->has_turn) {
			at = &connection->next_closed;
			continue;
		}
		*at = connection->next_closed;
		free(connection);
	}
}

void connections_add(struct server *server, int fd, const struct address *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		close(fd);
		return;
	}
	connection->fd = fd;
	connection->client = *client;
	connection->timer.kind = TIMER_NONE;
	connection->readable = true;
	server->connections++;
	server->counters->connections_open.value++;
	server->counters->connections_accepted.value++;
	exchange_turn(server, connection);
}

void connections_event(struct server *server, struct connection *connection, unsigned events)
{
	if (connection->state == CLOSED)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		connection_close(server, connection);
		return;
	}
	connection->hung_up |= !!(events & EPOLLRDHUP);
	connection->readable |= !!(events & (EPOLLIN | EPOLLRDHUP));
	exchange_turn(server, connection);
}

void connections_turn(struct server *server)
{
	struct connection *connection = server->turns, *next;

	server->turns = server->last_turn = NULL;
	for (; connection; connection = next) {
		next = connection->next_turn;
		connection->has_turn = false;
		if (connection->state != CLOSED)
			exchange_turn(server, connection);
	}
}

static void expire_connection(struct server *server, struct connection *connection)
{
	/* The socket tells of room only when there is much of it: a slow client is not a dead one. */
	if (connection->state == SEND && connection_queued(connection) < connection->queued) {
		connection_set_send_timer(server, connection);
		return;
	}
	server->counters->timeouts.value++;
	/* Whoever began a head learns why it ends; whoever said nothing does not need to. */
	if (connection->state == READ && connection->rest_len)
		exchange_respond(server, connection, NULL, 408, true);
	else
		connection_close(server, connection);
}

void connections_expire(struct server *server)
{
	struct timer *timer;

	while ((timer = timers_due(&server->timers, server->now_ms)))
		expire_connection(server, of_timer(timer));
}

bool connections_evict(struct server *server)
{
	struct timer *timer = timers_first(&server->timers, TIMER_IDLE);

	if (!timer)
		return false;
	connection_close(server, of_timer(timer));
	server->counters->connections_evicted.value++;
	return true;
}

/* A request may have come that epoll has not told of yet: whoever seems to wait gets a last turn. */
static void stop_kind(struct server *server, enum timer_kind kind)
{
	struct timer *timer = timers_first(&server->timers, kind), *next;

	for (; timer; timer = next) {
		struct connection *connection = of_timer(timer);

		next = timers_next(&server->timers, timer);
		if (connection->state != READ || connection->rest_len)
			continue;
		connection->readable = true;
		exchange_turn(server, connection);
	}
}

void connections_stop(struct server *server)
{
	server->stopping = true;
	stop_kind(server, TIMER_HEADER); /* of these, who has said nothing at all */
	stop_kind(server, TIMER_IDLE);
}

void connections_close(struct server *server)
{
	if (server->epoll < 0)
		return;
	for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
		struct timer *timer;

		while ((timer = timers_first(&server->timers, kind)))
			connection_close(server, of_timer(timer));
	}
	server->turns = server->last_turn = NULL;
	for (struct connection *closed = server->closed; closed; closed = closed->next_closed)
		closed->has_turn = false;
	connections_collect(server);
}

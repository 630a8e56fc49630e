// SPDX-License-Identifier: Apache-2.0
#include "static/connection/connection.h"

#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

void connection_set_timer(struct server *server, struct connection *connection,
			  enum timer_kind kind)
{
	timer_set(&server->timers, &connection->timer, kind, server->now_ms);
}

void connection_queue_turn(struct server *server, struct connection *connection)
{
	if (connection->has_turn)
		return;
	connection->has_turn = true;
	connection->next_turn = NULL;
	if (server->last_turn)
		server->last_turn->next_turn = connection;
	else
		server->turns = connection;
	server->last_turn = connection;
}

void connection_end_log(struct server *server, struct connection *connection)
{
	uint64_t sent = connection->output.sent;

	server->counters->bytes_sent.value += sent;
	if (!connection->logged)
		return;
	sent = sent > connection->head_len ? sent - connection->head_len : 0;
	log_write(server->log, connection->logged, sent, server->now_ms);
	free(connection->logged);
	connection->logged = NULL;
}

void connection_drop_rest(struct connection *connection)
{
	free(connection->rest);
	connection->rest = NULL;
	connection->rest_len = 0;
}

void connection_close(struct server *server, struct connection *connection)
{
	if (connection->state == CLOSED)
		return;
	if (connection->state == SEND) {
		server->counters->aborted.value++;
		connection_end_log(server, connection);
	}
	connection->state = CLOSED;
	connection_set_timer(server, connection, TIMER_NONE);
	output_clear(&connection->output);
	connection_drop_rest(connection);
	close(connection->fd);
	server->connections--;
	server->counters->connections_open.value--;
	connection->next_closed = server->closed;
	server->closed = connection;
}

void connection_watch(struct server *server, struct connection *connection, unsigned events)
{
	struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET,
				    .data.ptr = connection};
	int verb = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (connection->state == CLOSED || (connection->watched & events) == events)
		return;
	connection->watched |= events;
	event.events |= connection->watched;
	if (epoll_ctl(server->epoll, verb, connection->fd, &event))
		connection_close(server, connection);
}

/* Closing with unread bytes would reset the connection, and the client lose our last words. */
void connection_linger(struct server *server, struct connection *connection)
{
	connection_drop_rest(connection);
	connection->content.seen = 0;
	connection->state = LINGER;
	shutdown(connection->fd, SHUT_WR);
	connection_set_timer(server, connection, TIMER_LINGER);
}

/* Bytes in the kernel that the client has not acknowledged. */
int connection_queued(const struct connection *connection)
{
	int bytes = 0;

	return ioctl(connection->fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

void connection_set_send_timer(struct server *server, struct connection *connection)
{
	connection->queued = connection_queued(connection);
	connection_set_timer(server, connection, TIMER_SEND);
}

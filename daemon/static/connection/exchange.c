// SPDX-License-Identifier: Apache-2.0
#include "static/connection/exchange.h"

#include "static/connection/serve.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { LINGER_BYTES_MAX = 1 << 20 };

/* The response is out: what comes next on this connection? */
static void end_response(struct server *server, struct connection *connection, bool unread)
{
	connection_end_log(server, connection);
	connection->state = READ;
	if (connection->closes || server->stopping) {
		if (unread || connection->content.state != CONTENT_NONE)
			connection_linger(server, connection);
		else
			connection_close(server, connection);
		return;
	}
	if (connection->content.state == CONTENT_NONE)
		return;
	connection->state = CONTENT;
	connection_set_timer(server, connection, TIMER_HEADER);
}

/* How far a send came, as output_start() and output_continue() say it. */
static void note_output(struct server *server, struct connection *connection, int sent, bool unread)
{
	if (sent == OUTPUT_DONE) {
		end_response(server, connection, unread);
		return;
	}
	connection->state = SEND;
	if (sent < 0) {
		connection_close(server, connection);
		return;
	}
	connection_set_send_timer(server, connection);
	if (sent == OUTPUT_MORE)
		connection_queue_turn(server, connection);
	else
		connection_watch(server, connection, EPOLLIN | EPOLLOUT);
}

/* Sends the answer to a request, or with request NULL the refusal of what could not be read. */
void exchange_respond(struct server *server, struct connection *connection,
		      const struct request *request, int status, bool unread)
{
	struct log_request logged = {.client = connection->client};
	struct response response;
	int sent;

	connection->requests++;
	connection->closes |= !request || request->flags & REQUEST_CLOSE || server->stopping ||
			      (server->options->limits.requests &&
			       connection->requests >= server->options->limits.requests);
	if (serve_request(server, request, status, &connection->client, &connection->closes,
			  &response)) {
		connection_close(server, connection);
		return;
	}
	serve_count(server, response.status);
	connection->head_len = response.head.len;
	connection->corked = unread && !connection->closes;
	/* The end of a last response goes out with the FIN, in one segment. */
	sent = output_start(&connection->output, connection->fd, response.head, response.answer,
			    response.from, response.to, response.parts,
			    server->options->limits.chunk_bytes,
			    connection->corked || connection->closes);
	if (server->log) {
		serve_log(server, request, response.status, &logged);
		connection->logged = log_request_keep(&logged);
	}
	answer_unref(response.answer);
	note_output(server, connection, sent, unread);
}

/* Content that the client holds back until it is told to go on, or too much, or just to be read. */
static bool begin_content(struct server *server, struct connection *connection,
			  struct request *request)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	content_start(&connection->content, request);
	if (connection->content.state == CONTENT_NONE)
		return true;
	if (request->content_length > server->options->limits.content_bytes)
		return false;
	if (!(request->flags & REQUEST_CONTINUE))
		return true;
	/* It may or may not send what nobody wants: only for what is wanted can it be told to. */
	if (request->method == METHOD_OTHER)
		request->flags |= REQUEST_CLOSE;
	else if (send(connection->fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		request->flags |= REQUEST_CLOSE;
	return true;
}

/* One request at the front of what was read; returns the bytes it took, 0 when it is incomplete. */
static size_t take_request(struct server *server, struct connection *connection, const char *at,
			   size_t len)
{
	struct request request;
	int status = request_parse(&request, at, len, &server->options->limits.request);

	if (status == -EAGAIN)
		return 0;
	if (!status && !begin_content(server, connection, &request))
		status = 413;
	if (status)
		exchange_respond(server, connection, NULL, status, true);
	else
		exchange_respond(server, connection, &request, 0, len > request.head_bytes);
	return status ? len : request.head_bytes;
}

static size_t take_content(struct server *server, struct connection *connection, const char *at,
			   size_t len)
{
	size_t used;
	int err = content_skip(&connection->content, at, len, &used);

	if (err == -EINVAL || connection->content.seen > server->options->limits.content_bytes +
								 server->buffer_bytes) {
		connection_linger(server, connection);
		return len;
	}
	if (!err)
		connection->state = READ;
	return used;
}

/* Works through what was read, and keeps what cannot be done yet. */
static void take_input(struct server *server, struct connection *connection, const char *at,
		       size_t len)
{
	size_t used = 1;

	while (len && used) {
		if (connection->state == READ)
			used = take_request(server, connection, at, len);
		else if (connection->state == CONTENT)
			used = take_content(server, connection, at, len);
		else
			break;
		at += used;
		len -= used;
	}
	if (connection->state == CLOSED || connection->state == LINGER || !len)
		return;
	connection->rest = malloc(len);
	if (!connection->rest) {
		connection_close(server, connection);
		return;
	}
	memcpy(connection->rest, at, len);
	connection->rest_len = len;
}

/* The kernel holds a last response back for more that does not come at once: let it go. */
static void uncork_response(struct connection *connection)
{
	int on = 1;

	if (!connection->corked || connection->state == CLOSED)
		return;
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->corked = false;
}

/*
 * Between requests, or in the middle of a head: the deadlines differ.  begins: what is there now is the
 * beginning of another head than before.
 */
static void set_read_timer(struct server *server, struct connection *connection, bool begins)
{
	if (connection->state != READ)
		return;
	if (connection->rest_len || !connection->requests) {
		/* The first byte of a head starts its time; later bytes do not prolong it. */
		if (connection->timer.kind != TIMER_HEADER || begins)
			connection_set_timer(server, connection, TIMER_HEADER);
	} else {
		connection_set_timer(server, connection, TIMER_IDLE);
	}
}

/* Reads behind what is left from before, into the buffer that all share. */
static ssize_t fill_buffer(struct server *server, struct connection *connection, size_t *len)
{
	ssize_t got;

	*len = connection->rest_len;
	if (*len)
		memcpy(server->buffer, connection->rest, *len);
	got = recv(connection->fd, server->buffer + *len, server->buffer_bytes - *len,
		   MSG_DONTWAIT);
	if (got > 0) {
		*len += got;
		/* Less than asked for: nothing more is there, and epoll will tell of what comes. */
		if (*len < server->buffer_bytes && !connection->hung_up)
			connection->readable = false;
	}
	return got;
}

static void read_some(struct server *server, struct connection *connection)
{
	bool was_waiting = !connection->rest_len && connection->requests;
	unsigned requests = connection->requests;
	size_t len;
	ssize_t got = fill_buffer(server, connection, &len);

	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		connection->readable = errno == EINTR;
		set_read_timer(server, connection, false);
		return;
	}
	if (got <= 0) {
		connection_close(server, connection);
		return;
	}
	connection_drop_rest(connection);
	take_input(server, connection, server->buffer, len);
	uncork_response(connection);
	set_read_timer(server, connection, was_waiting || connection->requests != requests);
}

/* What was read earlier, behind a response that had to wait. */
static void take_rest(struct server *server, struct connection *connection)
{
	size_t len = connection->rest_len;

	memcpy(server->buffer, connection->rest, len);
	connection_drop_rest(connection);
	take_input(server, connection, server->buffer, len);
	uncork_response(connection);
	set_read_timer(server, connection, true);
}

static void discard_input(struct server *server, struct connection *connection)
{
	ssize_t got = recv(connection->fd, server->buffer, server->buffer_bytes, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN) {
		connection->readable = false;
		return;
	}
	connection->content.seen += got > 0 ? got : 0;
	if (got <= 0 || connection->content.seen > LINGER_BYTES_MAX)
		connection_close(server, connection);
}

static void send_some(struct server *server, struct connection *connection)
{
	uint64_t before = connection->output.sent;
	int sent = output_continue(&connection->output, connection->fd,
				   server->options->limits.chunk_bytes);

	/* Without progress the deadline stays where it is. */
	if (sent == OUTPUT_BLOCKED && connection->output.sent == before)
		connection_watch(server, connection, EPOLLIN | EPOLLOUT);
	else
		note_output(server, connection, sent, connection->rest_len);
	if (connection->state == SEND || connection->state == CLOSED)
		return;
	if (connection->rest_len)
		take_rest(server, connection);
	else
		set_read_timer(server, connection, true);
}

/* Waits for a request to begin, of which nothing has come. */
static bool is_silent(const struct connection *connection)
{
	return connection->state == READ && !connection->rest_len && !connection->readable;
}

/* A bounded piece of work: one send, or one read and what it brought. */
void exchange_turn(struct server *server, struct connection *connection)
{
	if (connection->state == SEND)
		send_some(server, connection);
	if (connection->state == LINGER)
		discard_input(server, connection);
	else if ((connection->state == READ || connection->state == CONTENT) &&
		 connection->readable)
		read_some(server, connection);
	if (server->stopping && is_silent(connection))
		connection_close(server, connection);
	if (connection->state == CLOSED)
		return;
	if (connection->state != SEND && connection->readable)
		connection_queue_turn(server, connection);
	connection_watch(server, connection, EPOLLIN);
}

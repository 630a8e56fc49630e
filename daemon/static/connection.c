// SPDX-License-Identifier: Apache-2.0
#include "connection.h"

#include "content.h"
#include "output.h"
#include "serve.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum state { READ, SEND, CONTENT, LINGER, CLOSED };

enum { LINGER_BYTES_MAX = 1 << 20 };

struct connection {
	struct timer timer; /* first: timers are turned into connections */
	struct connection *next_turn, *next_closed;
	int fd;
	enum state state;
	bool has_turn;     /* is on the list of turns */
	bool readable;     /* there may be something to read */
	bool hung_up;      /* an end is to be read, however little came before it */
	bool closes;       /* after the response under way */
	bool corked;       /* the last response may sit in the kernel, waiting for more */
	unsigned watched;  /* what epoll was told to watch for; 0: not yet there */
	unsigned requests; /* so far */
	int queued; /* bytes that the client had still to take, when the send deadline was set */
	unsigned head_len; /* of the response under way */
	struct address client;
	char *rest; /* owned: what was read of the next request */
	size_t rest_len;
	struct output output;
	struct content content;
	struct log_request *logged; /* owned: of the response under way */
};

static struct connection *of_timer(struct timer *timer)
{
	return (struct connection *)timer;
}

static void set_timer(struct server *server, struct connection *connection, enum timer_kind kind)
{
	timer_set(&server->timers, &connection->timer, kind, server->now_ms);
}

static void queue_turn(struct server *server, struct connection *connection)
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

static void end_log(struct server *server, struct connection *connection)
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

static void close_now(struct server *server, struct connection *connection)
{
	if (connection->state == CLOSED)
		return;
	if (connection->state == SEND) {
		server->counters->aborted.value++;
		end_log(server, connection);
	}
	connection->state = CLOSED;
	set_timer(server, connection, TIMER_NONE);
	output_clear(&connection->output);
	free(connection->rest);
	connection->rest = NULL;
	close(connection->fd);
	server->connections--;
	server->counters->connections_open.value--;
	connection->next_closed = server->closed;
	server->closed = connection;
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

static void watch(struct server *server, struct connection *connection, unsigned events)
{
	struct epoll_event event = {.events = events | EPOLLRDHUP | EPOLLET,
				    .data.ptr = connection};
	int verb = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (connection->state == CLOSED || (connection->watched & events) == events)
		return;
	connection->watched |= events;
	event.events |= connection->watched;
	if (epoll_ctl(server->epoll, verb, connection->fd, &event))
		close_now(server, connection);
}

/* Closing with unread bytes would reset the connection, and the client lose our last words. */
static void linger(struct server *server, struct connection *connection)
{
	free(connection->rest);
	connection->rest = NULL;
	connection->rest_len = 0;
	connection->content.seen = 0;
	connection->state = LINGER;
	shutdown(connection->fd, SHUT_WR);
	set_timer(server, connection, TIMER_LINGER);
}

/* The response is out: what comes next on this connection? */
static void end_response(struct server *server, struct connection *connection, bool unread)
{
	end_log(server, connection);
	connection->state = READ;
	if (connection->closes || server->stopping) {
		if (unread || connection->content.state != CONTENT_NONE)
			linger(server, connection);
		else
			close_now(server, connection);
		return;
	}
	if (connection->content.state == CONTENT_NONE)
		return;
	connection->state = CONTENT;
	set_timer(server, connection, TIMER_HEADER);
}

/* Bytes in the kernel that the client has not acknowledged. */
static int queued(const struct connection *connection)
{
	int bytes = 0;

	return ioctl(connection->fd, SIOCOUTQ, &bytes) ? 0 : bytes;
}

static void set_send_timer(struct server *server, struct connection *connection)
{
	connection->queued = queued(connection);
	set_timer(server, connection, TIMER_SEND);
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
		close_now(server, connection);
		return;
	}
	set_send_timer(server, connection);
	if (sent == OUTPUT_MORE)
		queue_turn(server, connection);
	else
		watch(server, connection, EPOLLIN | EPOLLOUT);
}

/* Sends the answer to a request, or with request NULL the refusal of what could not be read. */
static void respond(struct server *server, struct connection *connection,
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
		close_now(server, connection);
		return;
	}
	serve_count(server, response.status);
	connection->head_len = response.head.len;
	connection->corked = unread && !connection->closes;
	sent = output_start(&connection->output, connection->fd, response.head, response.answer,
			    response.from, response.to, response.parts,
			    server->options->limits.chunk_bytes, connection->corked);
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
		respond(server, connection, NULL, status, true);
	else
		respond(server, connection, &request, 0, len > request.head_bytes);
	return status ? len : request.head_bytes;
}

static size_t take_content(struct server *server, struct connection *connection, const char *at,
			   size_t len)
{
	size_t used;
	int err = content_skip(&connection->content, at, len, &used);

	if (err == -EINVAL || connection->content.seen > server->options->limits.content_bytes +
								 server->buffer_bytes) {
		linger(server, connection);
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
		close_now(server, connection);
		return;
	}
	memcpy(connection->rest, at, len);
	connection->rest_len = len;
}

/* The kernel holds a last response back for more that does not come at once: let it go. */
static void uncork(struct connection *connection)
{
	int on = 1;

	if (!connection->corked || connection->state == CLOSED)
		return;
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->corked = false;
}

/* Between requests, or in the middle of a head: the deadlines differ. */
static void set_read_timer(struct server *server, struct connection *connection, bool was_waiting)
{
	if (connection->state != READ)
		return;
	if (connection->rest_len || !connection->requests) {
		/* The first byte of a head starts its time; later bytes do not prolong it. */
		if (connection->timer.kind != TIMER_HEADER || was_waiting)
			set_timer(server, connection, TIMER_HEADER);
	} else {
		set_timer(server, connection, TIMER_IDLE);
	}
}

/* Reads behind what is left from before, into the buffer that all share. */
static ssize_t fill(struct server *server, struct connection *connection, size_t *len)
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
	size_t len;
	ssize_t got = fill(server, connection, &len);

	if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
		connection->readable = errno == EINTR;
		set_read_timer(server, connection, false);
		return;
	}
	if (got <= 0) {
		close_now(server, connection);
		return;
	}
	free(connection->rest);
	connection->rest = NULL;
	connection->rest_len = 0;
	take_input(server, connection, server->buffer, len);
	uncork(connection);
	set_read_timer(server, connection, was_waiting);
}

/* What was read earlier, behind a response that had to wait. */
static void take_rest(struct server *server, struct connection *connection)
{
	size_t len = connection->rest_len;

	memcpy(server->buffer, connection->rest, len);
	free(connection->rest);
	connection->rest = NULL;
	connection->rest_len = 0;
	take_input(server, connection, server->buffer, len);
	uncork(connection);
	set_read_timer(server, connection, true);
}

static void discard(struct server *server, struct connection *connection)
{
	ssize_t got = recv(connection->fd, server->buffer, server->buffer_bytes, MSG_DONTWAIT);

	if (got < 0 && errno == EAGAIN) {
		connection->readable = false;
		return;
	}
	connection->content.seen += got > 0 ? got : 0;
	if (got <= 0 || connection->content.seen > LINGER_BYTES_MAX)
		close_now(server, connection);
}

static void send_some(struct server *server, struct connection *connection)
{
	uint64_t before = connection->output.sent;
	int sent = output_continue(&connection->output, connection->fd,
				   server->options->limits.chunk_bytes);

	/* Without progress the deadline stays where it is. */
	if (sent == OUTPUT_BLOCKED && connection->output.sent == before)
		watch(server, connection, EPOLLIN | EPOLLOUT);
	else
		note_output(server, connection, sent, connection->rest_len);
	if (connection->state != SEND && connection->rest_len)
		take_rest(server, connection);
}

/* A bounded piece of work: one send, or one read and what it brought. */
static void take_turn(struct server *server, struct connection *connection)
{
	if (connection->state == SEND)
		send_some(server, connection);
	if (connection->state == LINGER)
		discard(server, connection);
	else if ((connection->state == READ || connection->state == CONTENT) &&
		 connection->readable)
		read_some(server, connection);
	if (connection->state == CLOSED)
		return;
	if (connection->state != SEND && connection->readable)
		queue_turn(server, connection);
	watch(server, connection, EPOLLIN);
}

void connection_open(struct server *server, int fd, const struct address *client)
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
	take_turn(server, connection);
}

void connection_event(struct server *server, struct connection *connection, unsigned events)
{
	if (connection->state == CLOSED)
		return;
	if (events & (EPOLLHUP | EPOLLERR)) {
		close_now(server, connection);
		return;
	}
	connection->hung_up |= !!(events & EPOLLRDHUP);
	connection->readable |= !!(events & (EPOLLIN | EPOLLRDHUP));
	take_turn(server, connection);
}

void connections_turn(struct server *server)
{
	struct connection *connection = server->turns, *next;

	server->turns = server->last_turn = NULL;
	for (; connection; connection = next) {
		next = connection->next_turn;
		connection->has_turn = false;
		if (connection->state != CLOSED)
			take_turn(server, connection);
	}
}

static void expire(struct server *server, struct connection *connection)
{
	/* The socket tells of room only when there is much of it: a slow client is not a dead one. */
	if (connection->state == SEND && queued(connection) < connection->queued) {
		set_send_timer(server, connection);
		return;
	}
	server->counters->timeouts.value++;
	/* Whoever began a head learns why it ends; whoever said nothing does not need to. */
	if (connection->state == READ && connection->rest_len)
		respond(server, connection, NULL, 408, true);
	else
		close_now(server, connection);
}

void connections_expire(struct server *server)
{
	struct timer *timer;

	while ((timer = timers_due(&server->timers, server->now_ms)))
		expire(server, of_timer(timer));
}

bool connections_evict(struct server *server)
{
	struct timer *timer = timers_first(&server->timers, TIMER_IDLE);

	if (!timer)
		return false;
	close_now(server, of_timer(timer));
	server->counters->connections_evicted.value++;
	return true;
}

void connections_stop(struct server *server)
{
	struct timer *timer;

	server->stopping = true;
	while ((timer = timers_first(&server->timers, TIMER_IDLE)))
		close_now(server, of_timer(timer));
}

void connections_close(struct server *server)
{
	if (server->epoll < 0)
		return;
	for (unsigned kind = 0; kind < TIMER_KINDS; kind++) {
		struct timer *timer;

		while ((timer = timers_first(&server->timers, kind)))
			close_now(server, of_timer(timer));
	}
	server->turns = server->last_turn = NULL;
	for (struct connection *closed = server->closed; closed; closed = closed->next_closed)
		closed->has_turn = false;
	connections_collect(server);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection: its socket, its deadline, its place in the lists.
 *
 *            head complete                  sent, more content to read past
 *     READ ───────────────► SEND ──────────────────────────► CONTENT
 *      ▲ ▲                   │ │                                │
 *      │ └─── sent ──────────┘ │ sent, and to be closed         │ ended
 *      └───────────────────────┼────────────────────────────────┘
 *                              ▼
 *     any ── error ─► CLOSED ◄── all read, or deadline ── LINGER
 *
 * It holds no buffer while it waits between requests.
 */
#ifndef LBSTATIC_CONNECTION_H
#define LBSTATIC_CONNECTION_H

#include "static/answer/content.h"
#include "static/answer/output.h"
#include "static/connection/server.h"
#include "static/options/access.h"

enum state { READ, SEND, CONTENT, LINGER, CLOSED };

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

void connection_set_timer(struct server *server, struct connection *connection,
			  enum timer_kind kind);
/* The send deadline, from what the client has still to take. */
void connection_set_send_timer(struct server *server, struct connection *connection);
/* Bytes in the kernel that the client has not acknowledged. */
int connection_queued(const struct connection *connection);

/* It has more to do, once the others had their turn. */
void connection_queue_turn(struct server *server, struct connection *connection);

/* Has epoll tell of these events too; a failure closes it. */
void connection_watch(struct server *server, struct connection *connection, unsigned events);

/* Notes the response that has ended, or was cut, in the counters and the log. */
void connection_end_log(struct server *server, struct connection *connection);

/* Forgets what was read of the next request. */
void connection_drop_rest(struct connection *connection);

/* Says no more, and reads on until the client has read what was said. */
void connection_linger(struct server *server, struct connection *connection);

/* Closes the socket at once; the memory goes with connections_collect(). */
void connection_close(struct server *server, struct connection *connection);

#endif

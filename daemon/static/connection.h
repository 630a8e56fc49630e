/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client connection.
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

#include "access.h"
#include "server.h"

/* Takes the accepted fd (closed on failure) and gives the connection its first turn. */
void connection_open(struct server *server, int fd, const struct address *client);

/* epoll said something (EPOLLIN, ...). */
void connection_event(struct server *server, struct connection *connection, unsigned events);

/* Everybody who has more to do gets one turn. */
void connections_turn(struct server *server);

/* Carries out what is due: refusals and closings. */
void connections_expire(struct server *server);

/* Closes the connection that has waited longest between requests; false when none waits. */
bool connections_evict(struct server *server);

/* Closes all that wait between requests; the others will, after their response. */
void connections_stop(struct server *server);

/* Closes all, whatever they are doing. */
void connections_close(struct server *server);

/* Frees what was closed; when no event of the batch can name it any more. */
void connections_collect(struct server *server);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* All connections of the process: they come, get their turns, and go. */
#ifndef LBSTATIC_CONNECTIONS_H
#define LBSTATIC_CONNECTIONS_H

#include "static/connection/server.h"
#include "static/options/access.h"

/* Takes the accepted fd (closed on failure) and gives the connection its first turn. */
void connections_add(struct server *server, int fd, const struct address *client);

/* epoll said something (EPOLLIN, ...). */
void connections_event(struct server *server, struct connection *connection, unsigned events);

/* Everybody who has more to do gets one turn. */
void connections_turn(struct server *server);

/* Carries out what is due: refusals and closings. */
void connections_expire(struct server *server);

/* Closes the connection that has waited longest between requests; false when none waits. */
bool connections_evict(struct server *server);

/* Closes all that wait for a request to begin; the others close after their response. */
void connections_stop(struct server *server);

/* Closes all, whatever they are doing. */
void connections_close(struct server *server);

/* Frees what was closed; when no event of the batch can name it any more. */
void connections_collect(struct server *server);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses on a connection: what is read, what is sent, in which order. */
#ifndef LBSTATIC_EXCHANGE_H
#define LBSTATIC_EXCHANGE_H

#include "static/connection/connection.h"
#include "static/http/request.h"

/* A bounded piece of work: one send, or one read and what it brought. */
void exchange_turn(struct server *server, struct connection *connection);

/*
 * Sends the answer to a request, or with request NULL the refusal, with status, of what could not be
 * read.  unread: more was received than this request.
 */
void exchange_respond(struct server *server, struct connection *connection,
		      const struct request *request, int status, bool unread);

#endif

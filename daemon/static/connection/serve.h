/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which answer a request gets from this server (its cache first, then the site): method, path, who may have it; and
 * what is noted about it in the counters and the log.  For exchange.c alone.
 */
#ifndef LBSTATIC_SERVE_H
#define LBSTATIC_SERVE_H

#include "static/answer/response.h"
#include "static/connection/server.h"

/*
 * Makes the response to a request, or, with request NULL, the refusal with status.  *closes says
 * whether the connection ends after it.  0, or -errno when there is no memory even for an error.
 */
int serve_request(struct server *server, const struct request *request, int status,
		  const struct address *client, const bool *closes, struct response *response);

void serve_count(struct server *server, int status);
void serve_log(const struct server *server, const struct request *request, int status,
	       struct log_request *logged);

#endif

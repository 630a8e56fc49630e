/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop of the process: accepts, hands events on, keeps the time, stops on a signal. */
#ifndef LBSTATIC_LOOP_H
#define LBSTATIC_LOOP_H

#include "static/connection/server.h"
#include "static/process/listener.h"

struct loop;

/* Blocks the signals that it handles and makes all that it needs; 0 or -errno with fault. */
int loop_open(struct loop **out, struct server *server, struct listeners *listeners,
	      struct fault *fault);

/* Returns after SIGTERM or SIGINT, when the requests under way are done or stop_timeout is over. */
void loop_run(struct loop *loop);

/* Closes what is still open. */
void loop_close(struct loop *loop);

#endif

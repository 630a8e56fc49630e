/* SPDX-License-Identifier: Apache-2.0 */
/* Control requests that are replied to once backends have come to where they were sent. */
#ifndef LB_WAITS_H
#define LB_WAITS_H

#include "control/control.h"
#include "model/pool.h"

enum wait_for {
	WAIT_STARTED,   /* up, or failed */
	WAIT_RESTARTED, /* up, with another process than at its roll_mark() */
	WAIT_STOPPED,   /* no process */
	WAIT_DRAINED,   /* no connection, or further */
};

struct wait;
struct waits {
	struct wait *first;
};

/*
 * Replies to request once all backends are there: a message, or a refusal that names those that failed; at once
 * when they are there already.  backends is copied.  -ENOMEM.
 */
int wait_add(struct waits *waits, struct control_request *request, enum wait_for what,
	     struct backend **backends, size_t count);

void wait_changed(struct waits *waits, struct backend *backend);      /* its state has changed */
void wait_gone(struct waits *waits, struct control_request *request); /* its client has left */
void wait_forget(struct waits *waits, struct backend *backend);       /* it is about to be freed */

#endif

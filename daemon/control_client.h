/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the control socket: its buffers, its one request at a time, its deadline.  Private to
 * control*.c.  Replies are only queued; a client is read, written and freed from its own event
 * sources, never under the hands of a verb.
 */
#ifndef LB_CONTROL_CLIENT_H
#define LB_CONTROL_CLIENT_H

#include <sys/types.h>

#include "control.h"

struct client;

/* What a client needs of the socket that accepted it. */
struct client_host {
	sd_event *event;
	struct control_handler handler;
	void *arg;
	uint64_t silence_us;
	void (*closed)(struct client_host *host, struct client *client); /* about to be freed */
};

/* Takes over fd on success. */
int client_new(struct client_host *host, int fd, uid_t uid, bool may_change, struct client **out);
void client_free(struct client *client); /* sends what can be sent at once */

uid_t client_uid(const struct client *client);

#endif

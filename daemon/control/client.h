/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the control socket: its buffers, its one request at a time, its deadline.  Private to
 * the room control.  Replies are only queued; a client is read, written and freed from its own event
 * sources, or by the socket that accepted it, never under the hands of a verb.
 */
#ifndef LB_CONTROL_CLIENT_H
#define LB_CONTROL_CLIENT_H

#include <sys/types.h>

#include "control/control.h"
#include "control/time.h"

struct client;

struct control_request {
	struct client *client;
	bool awaits_end; /* of lbd: control_end() gives the final reply */
};

/* By SO_PEERCRED. */
enum client_rank { RANK_READER, RANK_CHANGER, RANK_ROOT };

struct client_peer {
	uid_t uid;
	enum client_rank rank;
};

/* What a client needs of the socket that accepted it. */
struct client_host {
	sd_event *event;
	struct control_handler handler;
	void *arg;
	uint64_t silence_us;
	struct time_accounts accounts;                                   /* of readers */
	void (*closed)(struct client_host *host, struct client *client); /* about to be freed */
};

/* Takes over fd on success.  -EUSERS: too many users read. */
int client_new(struct client_host *host, int fd, const struct client_peer *peer,
	       struct client **out);
void client_free(struct client *client); /* sends what can be sent at once */

void client_queue(struct client *client,
		  json_t *message);                 /* steals message; NULL: no memory for it */
size_t client_backlog(const struct client *client); /* bytes that it has not read */

/* With the final reply, which it steals: the client may send the next one. */
void client_end_request(struct client *client, json_t *reply);

const struct client_peer *client_peer(const struct client *client);
uint64_t client_idle_since_us(const struct client *client); /* UINT64_MAX: lbd owes it a reply */
struct control_request *client_request(const struct client *client); /* NULL: it owes it none */

#endif

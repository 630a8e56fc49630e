/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: owns the listening socket, its clients and the framing of ctl.h; knows no verb.
 * A client that sends half a message and falls silent is closed after 10 s; a request over
 * LB_CTL_REQUEST_MAX or that is no JSON object is answered with an error and closed; at most 64
 * clients are served at once, the rest wait in the accept queue.  Replies never block lbd.
 */
#ifndef LB_CONTROL_H
#define LB_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#include "error.h"

struct control;
struct control_request; /* one request that has not had its final reply */

struct control_handler {
	/*
	 * Must lead to exactly one final reply, at once or later.  may_change: by SO_PEERCRED, root or of
	 * the group.  request lives until the final reply.
	 */
	void (*request)(void *arg, struct control_request *request, json_t *message,
			bool may_change);
	/* The client left before the final reply; forget the request. */
	void (*gone)(void *arg, struct control_request *request);
};

int control_new(sd_event *event, const char *path, int mode, const char *owner, const char *group,
		const struct control_handler *handler, void *arg, struct control **out,
		struct error *error);
void control_free(
	struct control *control); /* flushes what can be sent at once; unlinks; takes NULL */

void control_progress(struct control_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void control_reply(struct control_request *request, json_t *data); /* steals data; NULL: none */
void control_message(struct control_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void control_refuse(struct control_request *request, int exit_code, const char *text);

#endif

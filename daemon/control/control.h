/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: owns the listening socket, its clients and the framing of ctl.h; knows no verb.
 * Where its mode lets others than the owner and group in, any local user may write to it; these may read,
 * and cannot keep others out, or lbd from its work: places are shared by users (control/places.h), and
 * so is time (control/time.h).  A client that is due to send a request and has not sent all of it within
 * 10 s is closed; a request over LB_CTL_REQUEST_MAX (4096 bytes of one who may only read), that is nested
 * or that is no JSON object is answered with an error and closed; at most 64 clients are served at once.
 * Replies never block lbd: what a client does not read is kept, up to a limit, then the client is closed.
 */
#ifndef LB_CONTROL_H
#define LB_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct control;
struct control_request; /* one request that has not had its final reply */

struct control_handler {
	/*
	 * Must lead to exactly one final reply, at once or later.  may_change: by SO_PEERCRED, root, lbd's
	 * own user, the socket's owner or a member of its group.  request lives until the final reply or
	 * gone(); message is the caller's, take a reference to keep it.
	 */
	void (*request)(void *arg, struct control_request *request, json_t *message,
			bool may_change);
	/* Before each final reply: what it tells of must be true of the next lbd, too. */
	void (*settle)(void *arg);
	/* The client left before the final reply; forget the request. */
	void (*gone)(void *arg, struct control_request *request);
};

struct control_access {
	int mode;    /* of the socket; -1 is 0660 */
	uid_t owner; /* he and this group may change */
	gid_t group; /* (gid_t)-1: none */
};

/*
 * owner NULL is lbd's user, group NULL the group `lbd` where there is one.  -EINVAL: an unknown user or group, in whose
 * place *access has lbd's user or no group: nobody gets the right of one who is not there.
 */
int control_find_access(int mode, const char *owner, const char *group,
			struct control_access *access, struct error *error);

/*
 * Listens at path, whose directory must exist.  -EADDRINUSE: another lbd answers there (what a dead one left is
 * replaced); -EINVAL: path too long.
 */
int control_new(sd_event *event, const char *path, const struct control_access *access,
		const struct control_handler *handler, void *arg, struct control **out,
		struct error *error);
/* Who may change, and the mode, from now on; on failure as before. */
int control_set_access(struct control *control, const struct control_access *access,
		       struct error *error);
/* As it is. */
struct control_access control_get_access(const struct control *control);
/* Listens once more where its path was deleted; clients stay.  On failure as before. */
int control_mend(struct control *control, struct error *error);
/*
 * Over exec of another lbd: clients are let go as by control_free(), the socket stays and takes connections,
 * whose requests wait.  Returns its descriptor, which control_take_on() tells the next program; there
 * control_new() goes on with it, or listens anew where its path has gone.  -1: control is NULL.
 */
int control_hand_on(struct control *control);
void control_take_on(int fd);
/* Sends what can be sent at once, calls gone() for what has no final reply, unlinks; takes NULL. */
void control_free(struct control *control);

/*
 * An orderly end in two steps, which take NULL: as control_free(), but those of control_await_end() stay, and the
 * handler is not called any more; then, as lbd's last act, these get this message for their final reply, and all is
 * freed.  Whoever has had it knows that lbd was not killed before; everybody else sees his connection end without it.
 */
void control_close(struct control *control);
void control_end(struct control *control, const char *message);

void control_set_silence(struct control *control, uint64_t silence_us); /* the 10 s, for tests */

/* Text is sent as json_text.h says. */
void control_progress(struct control_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void control_progress_bytes(struct control_request *request, const char *bytes, size_t length);
size_t
control_backlog(const struct control_request *request);    /* bytes that its client has not read */
uid_t control_user(const struct control_request *request); /* by SO_PEERCRED */
void control_reply(struct control_request *request, json_t *data); /* steals data; NULL: none */
void control_message(struct control_request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void control_refuse(struct control_request *request, int exit_code, const char *text);
void control_await_end(struct control_request *request); /* its final reply is control_end()'s */

#endif

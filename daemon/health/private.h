/* SPDX-License-Identifier: Apache-2.0 */
/* What health.c and the kinds of checks share; for nobody else. */
#ifndef LB_HEALTH_PRIVATE_H
#define LB_HEALTH_PRIVATE_H

#include "base/addr.h"
#include "health/health.h"
#include "host/net/outgoing.h"
#include "launch/launch.h"

enum { HEALTH_TEXT_BYTES = 256, HEALTH_REPLY_BYTES = 2048 };

/* One kind of check. */
struct health_kind {
	/* Begins one try; health_result() follows, at once or later.  -errno: it could not even begin. */
	int (*start)(struct health *health);
	/* Ends a try, done or not; may be called when none is going on. */
	void (*stop)(struct health *health);
	/* At the deadline: a result all the same, or false: a failure.  NULL: never. */
	bool (*late)(struct health *health);
};

extern const struct health_kind health_tcp, health_http, health_exec;

struct health {
	sd_event *event;
	struct conf_health conf; /* strings are our own */
	struct lb_endpoint endpoint;
	const struct outgoing *outgoing;
	const char *groups;
	const struct health_kind *kind;
	const struct health_ops *ops;
	void *arg;

	sd_event_source *timer; /* next try, or the deadline of this one */
	bool busy;              /* a try goes on */
	bool is_late;           /* its time is over */
	bool is_held;
	uint64_t started_us;
	unsigned good, bad; /* in a row */
	bool known, healthy;
	bool has_looked;
	char last[HEALTH_TEXT_BYTES];

	/* of the try that goes on */
	int fd;
	sd_event_source *source;
	char reply[HEALTH_REPLY_BYTES];
	size_t reply_bytes;
	size_t read_bytes; /* of the reply, with what was not kept */
	struct spawn_child child;
	sd_event_source *report; /* until it has come to exec */
	char *group;             /* of this run; NULL: none */
	struct launch launch;    /* exec: made once, users are not looked up each time */

	/* exec: what is left of the checks of this address, see remains.h */
	char remains_of[ADDR_TEXT_BYTES + 16];
	sd_event_source *look; /* whether it has gone */
	uint64_t look_us;      /* until that look */
};

/* A try, with its whole time; the last thing, for it may end the check. */
void health_begin(struct health *health);

/* Ends the try.  The text says what was found; the time it took is added to a good one. */
void health_result(struct health *health, bool good, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A connection to the endpoint; each of the handlers takes the connected descriptor's events. */
int health_connect(struct health *health, sd_event_io_handler_t handler);
void health_disconnect(struct health *health);

/*
 * Both sides have said what they had to say.  Else the other's end is closed with lbd's, by whatever that ends: a
 * worker that does not read would keep it open, and a drain wait for it.
 */
void health_let_close(const struct health *health);

/* Of a connection under way: 0 or -errno. */
int health_connect_error(const struct health *health);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Active checks of one backend: tcp, http or exec; one kind a file. */
#ifndef LB_HEALTH_H
#define LB_HEALTH_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "conf/conf.h"
#include "host/net/outgoing.h"

struct health;

struct health_ops {
	void (*looked)(void *arg); /* health_last() is new; frees nothing; NULL: not of interest */
	void (*changed)(void *arg, bool healthy, const char *why);
	void (*counted)(
		void *arg); /* health_tally() has changed; frees nothing; NULL: not of interest */
	/* Is something new there, whose first good result is waited for?  NULL: never. */
	bool (*awaited)(void *arg);
};

/*
 * Checks endpoint every interval (with 10 % jitter), the first one at once, until freed.  Reports only
 * changes, rise and fall applied: the first report comes after `rise` good or `fall` bad ones.  Until then a good
 * one is followed by the next in 100 ms, and while it is awaited a bad one in 100 ms to 1 s: what is still starting
 * would else be out of service for an interval after it is ready.
 * groups (borrowed, may be NULL): the control group below which exec checks get theirs.
 */
int health_new(sd_event *event, const struct outgoing *outgoing, const char *groups,
	       const struct conf_health *conf, const struct lb_endpoint *endpoint,
	       const struct health_ops *ops, void *arg, struct health **out, struct error *error);
/* Results of one kind in a row, up to `rise` and `fall`. */
struct health_tally {
	unsigned good, bad;
};

/* Counts on from what an lbd before this one had counted of the same process. */
void health_resume(struct health *health, struct health_tally tally);
struct health_tally health_tally(const struct health *health); /* takes NULL: none */

/* Has had a result. */
bool health_has_looked(const struct health *health);

/* Its last results, `fall` of them at least, are bad. */
bool health_fails(const struct health *health);

/* Has found nothing yet, neither good nor bad, and no failure so far. */
bool health_is_first(const struct health *health);

/* Is that how it checks already?  A configuration is built anew for every change. */
bool health_follows(const struct health *health, const struct conf_health *conf,
		    const struct lb_endpoint *endpoint);

/* Ends a try that goes on, and its connection, with no result; none begins until it is held no more. */
void health_hold(struct health *health, bool is_held);

void health_free(struct health *health);              /* takes NULL */
const char *health_last(const struct health *health); /* "200 in 3 ms", "connection refused" */

#endif

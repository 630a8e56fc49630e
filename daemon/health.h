/* SPDX-License-Identifier: Apache-2.0 */
/* Active checks of one backend: tcp, http or exec; one kind per file health_*.c. */
#ifndef LB_HEALTH_H
#define LB_HEALTH_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "conf.h"
#include "error.h"

struct health;

/*
 * Checks endpoint every interval (with 10 % jitter), the first one at once, until freed.  Reports only
 * changes, rise and fall applied: the first report comes after `rise` good or `fall` bad ones.
 */
int health_new(sd_event *event, const struct conf_health *conf, const struct lb_endpoint *endpoint,
	       void (*changed)(void *arg, bool healthy, const char *why), void *arg,
	       struct health **out, struct error *error);
/* Is that how it checks already?  A configuration is built anew for every change. */
bool health_follows(const struct health *health, const struct conf_health *conf);
void health_free(struct health *health);              /* takes NULL */
const char *health_last(const struct health *health); /* "200 in 3 ms", "connection refused" */

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passive check: a backend that accepts nothing is taken out of service.  It begins with the kernel
 * side's word that an accept queue is full, so that nobody looks while all is well; from then on the
 * queue is looked at once a second until there is room.
 */
#ifndef LB_STUCK_H
#define LB_STUCK_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct backend;

/* Zeroed: all is well. */
struct stuck {
	sd_event_source *timer;
	uint64_t
		since_us; /* full since then, and nothing accepted; CLOCK_MONOTONIC, 0: not watched */
	uint64_t total;   /* connections that it had had by then */
	bool said;
	bool out; /* of service: it is not up */
};

extern const char stuck_reason[]; /* the note of one that stays in service */

void stuck_seen(struct backend *backend);   /* the kernel side has met its queue full */
void stuck_forget(struct backend *backend); /* another process, or none */

#endif

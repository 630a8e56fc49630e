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

extern const char stuck_reason[]; /* the note of one that stays in service */

void stuck_seen(struct backend *backend);   /* the kernel side has met its queue full */
void stuck_forget(struct backend *backend); /* another process, or none */

#endif

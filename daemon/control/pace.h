/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the next request of a client is looked at: at once, or, of a user whose time is counted (control/time.h), when
 * what he has had is paid.  Private to the room control.
 */
#ifndef LB_CONTROL_PACE_H
#define LB_CONTROL_PACE_H

#include <systemd/sd-event.h>

#include "control/time.h"

struct pace {
	struct time_accounts *accounts;
	struct time_account *account; /* NULL: its time is not counted */
	uint64_t started_us;          /* CLOCK_THREAD_CPUTIME_ID */
	bool waits;                   /* goes on when `turn` says */
	sd_event_source *turn;
};

/* Counts the time of this user from now on.  -EUSERS: too many users read. */
int pace_count(struct pace *pace, struct time_accounts *accounts, uid_t uid, uint64_t now_us);
void pace_free(struct pace *pace);

/* How long until its turn; 0: it is. */
uint64_t pace_left_us(const struct pace *pace);
/* ->waits until then, when turn() is to unset it.  -errno. */
int pace_wait(struct pace *pace, uint64_t time_us, sd_event *event, sd_event_time_handler_t turn,
	      void *arg);

/* Around the work for one request. */
void pace_start(struct pace *pace);
void pace_charge(struct pace *pace);

#endif

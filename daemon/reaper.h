/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that nobody is interested in any more.  Danger: after SIGKILL one may hang in the kernel (a file system
 * that does not answer) for as long as that likes, so waiting for it is the event loop's, never a caller's.
 */
#ifndef LB_REAPER_H
#define LB_REAPER_H

#include <systemd/sd-event.h>

#include "spawn.h"

/* Kills the child, closes its descriptors, and reaps it when it has ended; *child is none afterwards. */
void reaper_take(sd_event *event, struct spawn_child *child);

/* Before event goes: those that end within a second are reaped, others are left to who comes after. */
void reaper_end(void);

#endif

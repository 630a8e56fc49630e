/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children that nobody is interested in any more.  Danger: after SIGKILL one may hang in the kernel (a file system
 * that does not answer) for as long as that likes; and one that has ended cannot be reaped while a process
 * of its user traces it, though its pidfd says that it has (ptrace(2)).  So waiting for it is the event
 * loop's, never a caller's; who holds one of them before its end by tracing it is ended, too.
 */
#ifndef LB_REAPER_H
#define LB_REAPER_H

#include <systemd/sd-event.h>

#include "host/spawn/spawn.h"

/*
 * Kills the child, closes its descriptors, and reaps it when it has ended, if nobody has; *child is none
 * afterwards.  gone (or NULL) is called once, perhaps at once: when it is reaped, is no child of ours, or is
 * left by reaper_end().
 */
void reaper_take(sd_event *event, struct spawn_child *child, void (*gone)(void *arg), void *arg);

/* Before event goes: those that end within a second are reaped, others are left to who comes after. */
void reaper_end(void);

#endif

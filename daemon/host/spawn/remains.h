/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is left of processes that lbd has ended: children until they are reaped, control groups until they are
 * empty.  Danger: what runs as another user may be held by that user, for ever (ptrace(2), a file system that
 * does not answer), and each costs lbd a descriptor, a group or a process number: so who starts something asks
 * first how much is left of what it has started before.
 *
 * It is counted by a name ("web:8081"), not for an object: those come and go with reloads.
 */
#ifndef LB_REMAINS_H
#define LB_REMAINS_H

#include <stddef.h>
#include <systemd/sd-event.h>

#include "host/spawn/spawn.h"

enum { REMAINS_TEXT_BYTES = 96 };

/* reaper_take() and cgroup_end(), counted by that name until they have gone. */
void remains_child(sd_event *event, const char *name, struct spawn_child *child);
void remains_group(sd_event *event, const char *name, char *dir, unsigned levels);

/* How many children and groups of that name there are. */
unsigned remains_count(const char *name);

/* One of them, and what holds it: "pid 12 (state t, TracerPid 34)"; "" where there is none.  Returns text. */
const char *remains_describe(const char *name, char text[REMAINS_TEXT_BYTES]);

#endif

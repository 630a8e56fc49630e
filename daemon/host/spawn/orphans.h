/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As process 1 of a container lbd inherits every orphan: reaps those that are no children of its own
 * making.  Elsewhere it does nothing.
 */
#ifndef LB_ORPHANS_H
#define LB_ORPHANS_H

#include <systemd/sd-event.h>

int orphans_watch(sd_event *event);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the kernel side's map `locals` equal to the host's own addresses, so that ingress tells
 * packets for this host from those that it forwards.  Owns a netlink socket, watched by the event loop.
 */
#ifndef LB_LOCALS_H
#define LB_LOCALS_H

#include <systemd/sd-event.h>

#include "base/error.h"
#include "datapath/datapath.h"

struct locals;

/* The map is right from here on: call it before an interface is attached. */
int locals_new(sd_event *event, struct datapath *dp, struct locals **out, struct error *error);
void locals_free(struct locals *locals); /* leaves the map as it is; takes NULL */

#endif

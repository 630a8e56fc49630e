/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lbd's own connections, which are those of its checks: from no port that a backend has.  The kernel draws
 * from a range that workers' ports may lie in.  A worker whose port is drawn while it is down cannot start;
 * and what connects to a dead worker from that worker's own port is connected to itself, and the check
 * is passed (RFC 9293, 3.5: simultaneous open).
 */
#ifndef LB_OUTGOING_H
#define LB_OUTGOING_H

#include "lb/abi.h"

struct outgoing;

struct outgoing *outgoing_new(void); /* knows of no backend; NULL: no memory */
void outgoing_free(struct outgoing *outgoing);

/* Reads anew what the kernel draws from: a person may have changed it. */
void outgoing_refresh(struct outgoing *outgoing);

/* A backend comes, whatever its host, and goes.  Take NULL. */
void outgoing_add(struct outgoing *outgoing, const struct lb_endpoint *endpoint);
void outgoing_remove(struct outgoing *outgoing, const struct lb_endpoint *endpoint);

/*
 * A non-blocking socket that is connected or being connected.  -EADDRNOTAVAIL: every port is in use or a
 * backend's; else as connect(2) has it.  NULL: from whatever port.
 */
int outgoing_connect(const struct outgoing *outgoing, const struct lb_endpoint *to);

#endif

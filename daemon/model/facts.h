/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What looks at sockets have found of a backend.  Plain data: each struct belongs to the file named above it, which
 * alone changes it.  Zeroed: nothing is known, nobody looks.  Times are CLOCK_MONOTONIC, in us; arrays are by is_v6.
 */
#ifndef LB_FACTS_H
#define LB_FACTS_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "lb/abi.h"

struct model;

/* accepts.h: whether a process on an inherited listener accepts. */
struct accepts {
	sd_event_source *timer; /* until it does */
	bool is_seen;
};

/* deaf.h: a program that accepts from one of its two inherited listeners alone. */
struct deaf {
	sd_event_source *timer;
	uint32_t queue[2];    /* at the last look */
	uint64_t since_us[2]; /* nobody has been taken out of it since; 0: nobody waits */
	bool said[2];
	bool out[2]; /* the kernel side has none of it */
};

/* stuck.h: a backend that accepts nothing. */
struct stuck {
	sd_event_source *timer;
	uint64_t since_us; /* full since then, and nothing accepted; 0: not watched */
	uint64_t total;    /* connections that it had had by then */
	bool said;
	bool out; /* of service: it is not up */
};

/* holder.h: the process that holds a listener. */
struct holder {
	struct model *model;
	sd_event_source *exit;
	uint32_t inode; /* of the listener that the process was looked for; 0: none yet */
};

/* port_user.h: who else has a backend's port, or an address of a service. */
enum { PORT_USER_BYTES = 192 };
struct port_user {
	uint32_t inode;             /* of its socket */
	struct lb_endpoint bound;   /* what that is bound to */
	bool is_inherited;          /* nobody is seen to hold it: text tells that */
	bool is_own;                /* a process of the worker itself has it */
	bool is_beside;             /* hinders only who binds the port of every address */
	char text[PORT_USER_BYTES]; /* "nc (pid 7, user nobody)" */
};

#endif

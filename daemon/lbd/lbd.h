/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One running lbd, plain data: main.c puts it together; the modules of this room act on it, each with its own part,
 * and so do the verbs.
 */
#ifndef LB_LBD_H
#define LB_LBD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "conf/running.h"
#include "host/spawn/spawn.h"
#include "model/pool.h"
#include "worker/worker.h"

struct control;
struct control_request;
struct interfaces;
struct locals;

enum { RUN_DIR_BELOW = 3 };

/* run_dir.c: the run directory, in case somebody deletes it. */
struct run_dir_guard {
	sd_event_source *watch, *below[RUN_DIR_BELOW], *timer; /* below: of its directories */
	uint64_t since_us;
	bool is_lost;
};

/* reexec.c: another program that is to take lbd's place. */
struct reexec {
	struct control_request *request; /* that asked; NULL when its client has left */
	struct spawn_child child;        /* the new program, being tried; pid 0: none */
	int output;                      /* what it says */
	sd_event_source *end, *late;
	bool agreed; /* it can: the loop ends, then reexec_now() */
};

/* stop.c: the orderly end. */
struct stop {
	bool at_once; /* asked a second time to end: draining is over */
	bool told;    /* the time that those of priority may take */
	int priority;
};

struct lbd {
	sd_event *event;
	const char *instance;
	const char *conf_path;
	bool conf_named; /* by -c */
	bool foreground;
	bool handed_on; /* by the lbd before, in the same process: reexec */
	char run_dir[96];
	char **argv; /* for reexec */
	uint64_t started_us;
	struct running running; /* rolls: at the start, what `states` does not tell */
	struct datapath *dp;
	struct locals *locals;
	struct interfaces *interfaces;
	struct control *control;
	struct worker_host host;
	struct model model;
	sd_event_source *events;
	struct run_dir_guard guard;
	struct reexec reexec;
	struct stop stop;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a backend and the one function that changes them.  Pure.
 *
 *                 ┌──────────── start ───────────┐
 *                 ▼                              │
 *     ┌────► starting ──ready──► up ──lost──► down (no listener, or failing its check)
 *     │           │               │ ◄─ready──    │
 *   retry         └────── drain ──┴──────────────┘
 *     │                             ▼
 *  backoff ◄─ exit ─┐           draining ──empty or deadline──► drained
 *                   │               │                              │
 *  fatal ◄─ too often               └────────── stop ──────────────┤
 *  exited ◄─ by policy                                             ▼
 *                                    stopped ◄──exit── stopping ◄──┘
 *
 * A worker that is late for its check alone, which is only to mark it, goes from starting to down.
 * A backend without a worker begins in `down` and is only ever up, down, draining or drained.
 */
#ifndef LB_STATE_H
#define LB_STATE_H

#include <stdbool.h>

enum state {
	STATE_NONE,     /* no such transition */
	STATE_STOPPED,  /* not started yet, or ended by command */
	STATE_STARTING, /* process spawned, not ready */
	STATE_UP,
	STATE_DOWN,     /* no listener, or failing its check */
	STATE_DRAINING, /* no new connections; waits for the open ones */
	STATE_DRAINED,  /* out of service; the process, if any, is left alone */
	STATE_STOPPING, /* stop signal sent, process still there */
	STATE_BACKOFF,  /* process exited, waits to be started again */
	STATE_EXITED,   /* exited, and its policy says to leave it */
	STATE_FATAL,    /* failed too often; waits for a start by hand */
	STATE_COUNT,
};

enum state_event {
	EVENT_START, /* spawned: by command, by autostart */
	EVENT_READY, /* all that readiness asks for is there */
	EVENT_LOST,  /* some of it is gone, or has not come in time */
	EVENT_DRAIN,
	EVENT_UNDRAIN,
	EVENT_EMPTY,      /* draining is over: no connection left, or the deadline */
	EVENT_STOP,       /* stop signal sent */
	EVENT_EXIT,       /* process gone; to be started again after a delay */
	EVENT_EXIT_KEPT,  /* process gone; its policy says to leave it */
	EVENT_EXIT_FATAL, /* process gone, once too often */
	EVENT_RETRY,      /* the delay is over and it was spawned */
	EVENT_COUNT,
};

/* The state after event, or STATE_NONE where the event means nothing in that state. */
enum state state_next(enum state state, enum state_event event);

const char *state_name(enum state state);

/* A process is there, or may be. */
bool state_has_process(enum state state);

#endif

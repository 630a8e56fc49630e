/* SPDX-License-Identifier: Apache-2.0 */
/*
 * States of a backend and the one function that changes them.  Pure.
 *
 *     starting ──ready──► up ◄──rise─── down
 *         ▲               │ ──fall──►   ▲
 *         │               │             │ no listener
 *      restart          drain ──────────┘
 *         │               ▼
 *      backoff ◄─exit─ draining ──empty or deadline──► stopped
 *         └─ too often ─► fatal
 */
#ifndef LB_STATE_H
#define LB_STATE_H

enum state {
	STATE_STOPPED,  /* out of service by command, or not started yet; no process */
	STATE_STARTING, /* process spawned, not ready */
	STATE_UP,
	STATE_DOWN,     /* no listener, or failing its check */
	STATE_DRAINING, /* no new connections; waits for the open ones */
	STATE_STOPPING, /* stop signal sent, process still there */
	STATE_BACKOFF,  /* process exited, waits to be started again */
	STATE_EXITED,   /* exited and not to be restarted, by its policy */
	STATE_FATAL,    /* failed too often; waits for a start by hand */
	STATE_COUNT,
};

const char *state_name(enum state state);

#endif

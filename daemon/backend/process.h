/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend's process: when it is started, restarted and given up.  backend.c calls these on entering
 * a state; worker.c does what they decide.
 */
#ifndef LB_BACKEND_PROCESS_H
#define LB_BACKEND_PROCESS_H

#include "backend/backend.h"

/* Gives the backend a worker; one that survived an earlier lbd is taken back, state included. */
int backend_process_new(struct backend *backend, unsigned index, struct error *error);

/* Another configuration, by which the next process is started. */
void backend_process_set_conf(struct backend *backend);

/* By command: forgets earlier failures, or an order to stop.  -EALREADY: running; -EINVAL: has no worker. */
int backend_process_start_by_hand(struct backend *backend);

/* Spawns now, or when who has its name or port has left (see leave.h); what goes wrong becomes the backend's note and a failure like an exit. */
void backend_process_start(struct backend *backend, enum state_event event);

/* Stop signal without draining, towards a goal. */
int backend_process_stop(struct backend *backend, enum backend_goal goal);

/* On entering drained and stopped: what the goal asks for next. */
void backend_process_drained(struct backend *backend);

/* Drained by its own word, and still there after stop_timeout: ends it. */
void backend_process_lingers(struct backend *backend);
void backend_process_stopped(struct backend *backend);

/* backend/end.c. */

/* Not ready within start_timeout: ended; or only down, where it is for its check and that is to mark it. */
void backend_process_late(struct backend *backend);
/* Runs on without a listener: its open connections may end, then it is restarted. */
void backend_process_silent(struct backend *backend);
/* Ended at once, for why; started again as after an exit by itself. */
void backend_process_wrong(struct backend *backend, const char *why);
/*
 * `on_failure restart`, of one that has been up: like that, but never the last one of its pool that is up,
 * nor while another is on its way; looks again from the timer of the state down.
 */
void backend_process_check_failed(struct backend *backend);
/*
 * Hangs, by its watchdog: like that, but not while another is on its way back.  true: it is ended, or not to run
 * anyway; false: not now.
 */
bool backend_process_hung(struct backend *backend);
/* Its watchdog does not count, since it may have no way to be heard; and it is heard after all. */
void backend_process_unheard(struct backend *backend);
void backend_process_heard(struct backend *backend);
void backend_process_explain_silence(struct backend *backend);      /* its note */
bool backend_process_check_restarts(const struct backend *backend); /* is that so for it? */

/* A goal for a backend that has no running process to drain. */
int backend_process_end_idle(struct backend *backend);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the files of this room alone, which are one module: backend.c has the state and its timer, drain.c the way out of
 * service, process.c starts and stops, exit.c and end.c are ends of a process by itself and by lbd, check.c the health
 * check, note.c what is said of it all; new.c, restore.c and await.c how it begins.
 */
#ifndef LB_BACKEND_PRIVATE_H
#define LB_BACKEND_PRIVATE_H

#include "backend/backend.h"
#include "backend/process.h"
#include "worker/worker.h"

/* backend.c */

/* The state that it begins in, by what is known of it: nothing is entered, and nobody told. */
void backend_begin(struct backend *backend, enum state state);
/* What the state waits for; -errno: there is no timer for it. */
int backend_make_timer(struct backend *backend);
void backend_arm(struct backend *backend, uint64_t delay_us);
/* A new one goes on where the lbd before had come to. */
void backend_resume(struct backend *backend);

/* drain.c */

/* A handshake that was under way when draining began may still complete. */
enum { BACKEND_DRAIN_LEAST_US = 200 * 1000 };

/* What is to come of it, whatever its state. */
void backend_set_goal(struct backend *backend, enum backend_goal goal);
/* Is draining over?  At the deadline it is, whatever is still open. */
void backend_look_at_drain(struct backend *backend);

/* check.c */

/*
 * What was found of a process counts for that one alone: an inherited listener stays for the next, whose check
 * begins when its program runs.
 */
void backend_forget_check(struct backend *backend);
/*
 * No check runs while it drains or stops.  DANGER: it would be a client to the drain, which waits for its connection,
 * counts it and ends it, and so a failed check.
 */
void backend_hold_check(struct backend *backend);
/* Tries again to make the check that could not be made. */
void backend_await_check(struct backend *backend);

/* note.c */

void backend_explain_down(struct backend *backend);
/* How its process ended; and, where that is not known, who has its port, and the end of its output. */
void backend_note_exit(struct backend *backend, const struct worker_exit *exit);
/* The first alone. */
void backend_note_status(struct backend *backend, const struct worker_exit *exit);
void backend_note_details(struct backend *backend);

/* restore.c: by what an lbd before this one has remembered */

void backend_restore(struct backend *backend); /* a new one, before it is resumed */
/* What its check had counted, if the process is the same. */
void backend_restore_tally(struct backend *backend);

/* process.c */

/* Gives the backend a worker; one that survived an earlier lbd is taken back, state included. */
int backend_process_new(struct backend *backend, unsigned index, struct error *error);
/* On entering drained and stopped: what the goal asks for next. */
void backend_process_drained(struct backend *backend);
void backend_process_stopped(struct backend *backend);
/* Drained by its own word, and still there after stop_timeout: ends it. */
void backend_process_lingers(struct backend *backend);
/* A goal for a backend that has no running process to drain. */
int backend_process_end_idle(struct backend *backend);

/* exit.c */

void backend_process_exited(struct backend *backend, const struct worker_exit *exit);
/*
 * After an exit or a failed spawn: again after a delay, or not at all, unless a stranger may be the cause.
 * is_told: why is in the log already.
 */
void backend_process_failed(struct backend *backend, bool is_told);
/*
 * Somebody else has its port.  That is no failure of the worker's: it is tried again until the port is
 * free, for as long as it takes.
 */
void backend_wait_for_port(struct backend *backend);

/* end.c */

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
bool backend_process_check_restarts(const struct backend *backend); /* is that so for it? */
/*
 * Hangs, by its watchdog: like that, but not while another is on its way back.  true: it is ended, or not to run
 * anyway; false: not now.
 */
bool backend_process_hung(struct backend *backend);
/* Its watchdog does not count, since it may have no way to be heard; and it is heard after all. */
void backend_process_unheard(struct backend *backend);
void backend_process_heard(struct backend *backend);
void backend_process_explain_silence(struct backend *backend); /* its note */

#endif

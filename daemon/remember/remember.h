/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNDIR/states: what the next lbd must know of each worker and cannot see: that it is being, or was,
 * stopped, drained, restarted or rolled, has exited for good or failed too often, how often it was
 * restarted, what its check has counted, what its environment files said at the last look, and why it has no
 * process or is on its way to its end.
 *
 * The first line is "lbd-states VERSION TIME", by CLOCK_MONOTONIC in us, each further one "NAME KEY=VALUE ...",
 * enumerations by their names, the last its seal (seal.h).  A key that is not known is passed over; what must not be
 * gets a new version.  Version 2 ended with "end COUNT", version 1 had no first and no last line, and numbers.
 */
#ifndef LB_REMEMBER_H
#define LB_REMEMBER_H

#include "model/model.h"
#include "remember/row.h"

/* Writes it, in one step, at the end of this turn of the loop; called on each change of a state, a
 * goal or a turn. */
void remember_later(struct model *model);
void remember_now(struct model *model);    /* before lbd leaves */
void remember_settle(struct model *model); /* before somebody is told: now, if it is due */

/*
 * Reads what an lbd before this one wrote; nothing where it is torn or lost, which is logged.  -EPROTO with a line:
 * that one was newer and this one would start what it had stopped.  running_us: when it wrote running.conf, 0 where
 * that is not gone on with: sets model->is_ahead.  All of it is for the start, and ends with remember_forget().
 */
int remember_read(struct model *model, uint64_t running_us, struct error *error);

/* Whether remember_read() would understand it. */
int remember_check(const char *run_dir, struct error *error);
void remember_forget(struct model *model);

/* What is known of it; NULL: nothing.  Valid until remember_forget(). */
const struct remembered *remember_find(const struct backend *backend);

/* It had been told to end. */
bool remember_stopping(const struct backend *backend);

#endif

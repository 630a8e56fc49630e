/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration that a start begins with.  DANGER: workers serve, and whoever edits the file has not
 * said yet that it is ready.  So an lbd that comes after a death or a reexec first goes on with what was
 * in force, changes by lbctl included.  Then:
 *
 * - After a reexec a changed file waits for `lbctl reload`, and one line says so.
 * - After a death it is applied by lbd_reload(), without force: what that refuses is logged and not done,
 *   and what has gone is drained.
 * - Where a save did not end it waits for another one, and one line says so.
 *
 * The file itself comes first only where nothing is in force, or where nothing tells what it was.
 */
#ifndef LB_FIRST_CONF_H
#define LB_FIRST_CONF_H

#include "lbd/lbd.h"

/* *in_force: it is what was in force.  -errno with a line. */
int first_conf(struct lbd *lbd, struct conf **conf, bool *in_force, struct error *error);

/* Gives up what neither conf needs nor the file, so that a reload can put that in force. */
int first_conf_drop_privileges(const struct lbd *lbd, const struct conf *conf, struct error *error);

/* To an error that what was in force has met: how to begin with the file all the same.  Returns err. */
int first_conf_explain(const struct lbd *lbd, int err, struct error *error);

/* When that is in place: what becomes of a file that has changed. */
void first_conf_look_at_file(struct lbd *lbd);

#endif

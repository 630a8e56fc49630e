/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side's part of a plan. */
#ifndef LB_PLAN_STAGE_H
#define LB_PLAN_STAGE_H

#include "base/error.h"

struct plan;

/*
 * Writes what nothing names yet, makes room, and switches the services last.  -errno with a line: then
 * plan_unstage().
 */
int plan_stage(struct plan *plan, struct error *error);

/* Takes back what plan_stage() has written, however far it came. */
void plan_unstage(struct plan *plan);

#endif

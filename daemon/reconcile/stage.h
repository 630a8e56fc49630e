/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel side's part of a plan; for plan.c. */
#ifndef LB_PLAN_STAGE_H
#define LB_PLAN_STAGE_H

struct plan;

/* Takes back what plan_stage() has written, however far it came. */
void plan_unstage(struct plan *plan);

#endif

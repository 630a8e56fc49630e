/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a save writes: each file that would say something else now, with what belongs to it; the main one last.  First
 * all are written beside the old ones, so that a full disk is found before one of them is changed.
 */
#ifndef LB_SAVE_PLAN_H
#define LB_SAVE_PLAN_H

#include <stdbool.h>

#include "block/block.h"
#include "conf/origin.h"

struct save_plan;

/* now and origin are kept as long as the plan.  is_half: of save_check().  -errno with a line. */
int save_plan_new(const struct block *now, struct origin *origin, bool is_half,
		  struct save_plan **plan, struct error *error);

/* Writes them beside the old ones; the origin expects them from now on.  -errno with a line. */
int save_plan_prepare(struct save_plan *plan, struct error *error);

/* Each takes its name, if nobody has edited what was there meanwhile.  -errno with a line. */
int save_plan_put(struct save_plan *plan, struct error *error);

bool save_plan_has_put(const struct save_plan *plan); /* one of them at least */

/* Adds to the line of an error those that are left as they were, because of it. */
void save_plan_name_rest(const struct save_plan *plan, struct error *error);

void save_plan_free(struct save_plan *plan); /* takes NULL */

/*
 * What somebody has written to a file, and nobody read, must not be lost: -EBUSY with a line.  is_half: the files
 * have half of a save.
 */
int save_check(const struct origin *origin, const char *file, bool is_half, struct error *error);

#endif

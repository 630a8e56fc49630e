/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl save`. */
#ifndef LB_SAVE_H
#define LB_SAVE_H

#include "lbd/lbd.h"

/*
 * Writes what was changed by lbctl into the files that it belongs to, which keep their mode and owner; those without
 * a change are not touched.  -EBUSY: one was edited meanwhile; here as else with a line.
 */
int lbd_save(struct lbd *lbd, struct error *error);

/* Of one that was cut off: what it has written counts as read.  now: what it was to write. */
void save_settle(struct running *running, const struct block *now);

#endif

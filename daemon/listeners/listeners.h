/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of local backends: which are there and whose they are, and getting those into the kernel side
 * that it did not capture itself at listen(2) because they were listening before.  scan.h looks.
 */
#ifndef LB_LISTENERS_H
#define LB_LISTENERS_H

#include "listeners/scan.h"
#include "model/pool.h"

/* Reads the kernel side's events as they come. */
int listeners_watch(struct model *model, sd_event_source **source);

/* listeners_scan(), soon: once for however many ask for it. */
void listeners_scan_later(struct model *model);

/*
 * Captures what these have, also where it is in place or of another's: what is at the address of two is counted as
 * the last one's.  Nothing is told; what fails is owed, and done by the next look that can.
 */
void listeners_capture(struct model *model, struct backend *const *backends, size_t count);

#endif

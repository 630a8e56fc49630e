/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listeners of local backends: which are there and whose they are, and getting those into the kernel side
 * that it did not capture itself at listen(2) because they were listening before.  listeners/scan.c looks.
 */
#ifndef LB_LISTENERS_H
#define LB_LISTENERS_H

#include "model/pool.h"

/* Reads the kernel side's events as they come. */
int listeners_watch(struct model *model, sd_event_source **source);

/*
 * Looks at all listening sockets of the network namespace: captures what is a backend's and not in
 * place, lets go of what is not, tells backends what is there, and who has the port of one that has no
 * listener.  -errno of the look; a socket that cannot be taken (its owner is in another pid namespace,
 * say) becomes its backend's note.
 */
int listeners_scan(struct model *model);

/* The same, soon: once for however many ask for it. */
void listeners_scan_later(struct model *model);

/*
 * Captures what these have, also where it is in place or of another's: what is at the address of two is counted as
 * the last one's.  Nothing is told; what fails is owed, and done by the next look that can.
 */
void listeners_capture(struct model *model, struct backend *const *backends, size_t count);

#endif

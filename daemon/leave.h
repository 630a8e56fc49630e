/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends that have gone from the configuration while their process runs or connections are open:
 * drained, stopped, and forgotten at the end of both.  They keep their pool of before, and with it the
 * configuration, by which they end.
 */
#ifndef LB_LEAVE_H
#define LB_LEAVE_H

#include "pool.h"

int leave_init(struct model *model);

/* Takes over a backend that its pool's successor does not have; one with nothing left to end is freed at once. */
void leave_add(struct backend *backend);

/* To be called when a backend's state has changed: forgets it if that was the end. */
void leave_changed(struct backend *backend);

/* Frees everything; processes that have not ended run on. */
void leave_free(struct model *model);

#endif

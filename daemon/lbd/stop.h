/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of lbd. */
#ifndef LB_STOP_H
#define LB_STOP_H

#include "lbd/lbd.h"

/*
 * Begins it: no new connections; by priority, workers are drained, at most for their pool's drain_timeout, and
 * stopped; then the loop exits.  Called again it cuts what is still open.
 */
void lbd_stop(struct lbd *lbd);
void lbd_stop_next(struct lbd *lbd); /* some have ended: goes on with those of the next priority */

#endif

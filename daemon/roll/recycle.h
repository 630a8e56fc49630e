/* SPDX-License-Identifier: Apache-2.0 */
/* Workers that are restarted for their age or size: drained first, one of a pool at a time. */
#ifndef LB_RECYCLE_H
#define LB_RECYCLE_H

#include "model/pool.h"

/* Looks every few seconds, if the configuration asks for it at all; else nothing is armed. */
void recycle_watch(struct model *model);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* A roll from one worker to the next: who is begun with, how each turn ends, and the roll with it. */
#ifndef LB_ROLL_STEP_H
#define LB_ROLL_STEP_H

#include "model/pool.h"
#include "roll/watch.h"

/* A backend's state has changed. */
void roll_changed(struct backend *backend, enum state to);

/* Of one that was drained by command: its next process is there, and drained as well. */
bool roll_is_drained_anew(const struct backend *backend);

/* For roll.c alone. */
struct roll {
	struct roll_watch *watches;
	size_t done;
	const struct backend *waits; /* the last of which was said that its port is taken */
};

/* Begins with those whose turn may begin; ends the roll where none is left, or none may. */
void roll_advance(struct pool *pool);

/* error: NULL: it went well. */
void roll_end(struct pool *pool, const char *error);

#endif

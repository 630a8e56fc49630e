/* SPDX-License-Identifier: Apache-2.0 */
/* Whose turn it is in a pool's roll, and in which order; for roll.c alone.  Nothing is begun here. */
#ifndef LB_ROLL_TURN_H
#define LB_ROLL_TURN_H

#include "model/pool.h"

size_t turn_count(const struct pool *pool, enum turn turn);
size_t turn_count_due(const struct pool *pool); /* also those that were forced */
bool turn_is_due(const struct backend *backend);

/* The next one that may be taken, those that serve nobody first; NULL: none, or the last one that is up. */
struct backend *turn_next(const struct pool *pool);

/* Unless it has its turn now. */
void turn_give(struct backend *backend, enum turn turn);

/* Of all in the pool. */
void turn_clear(struct pool *pool);

#endif

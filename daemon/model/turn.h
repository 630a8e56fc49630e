/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose turn it is in a pool's roll, in which order, and which worker a pool can spare.  Nothing is begun here: roll.c
 * does that, and whoever else restarts a worker asks here first.
 */
#ifndef LB_TURN_H
#define LB_TURN_H

#include <stdbool.h>
#include <stddef.h>

#include "model/backend.h"

/* The pool is being rolled. */
bool turn_is_rolling(const struct pool *pool);

/* One of it gets up by itself soon: until then no other is taken away. */
bool turn_on_its_way(const struct pool *pool);

/* Would the pool serve without this one?  Also where it has no other, which could. */
bool turn_spares(const struct backend *backend);

size_t turn_count(const struct pool *pool, enum turn turn);
size_t turn_count_due(const struct pool *pool); /* also those that were forced */
bool turn_is_due(const struct backend *backend);

/* The next one that may be taken, those that serve nobody first; NULL: none, or the last one that is up. */
struct backend *turn_next(const struct pool *pool);

/* Unless it has its turn now. */
void turn_give(struct backend *backend, enum turn turn);

/* Of all in the pool. */
void turn_clear(struct pool *pool);

/* A turn as a word; and back, TURN_NONE where there is no such word. */
const char *turn_name(enum turn turn);
enum turn turn_find(const char *name);

#endif

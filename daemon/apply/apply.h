/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of what the kernel side chooses by: compares the model with what was published and
 * writes the difference in the order that loses nothing: a backend before the pool and ring that name
 * it, and both before another is disabled, which works at once and may leave nobody else to choose; that
 * clients are to wait, before there is nobody.
 */
#ifndef LB_APPLY_H
#define LB_APPLY_H

#include "apply/place.h"
#include "model/pool.h"

/* Publishes a backend at once, and its pool and ring at the end of this turn of the loop. */
void apply_backend(struct backend *backend);

/* Writes it whatever is there: what the kernel side has set in it is cleared. */
void apply_backend_anew(struct backend *backend);

/* What the next two wait for on the loop, so that they need nothing more.  -errno. */
int apply_init(struct model *model);

/* Marks a pool whose members or scheduler have changed. */
void apply_pool_later(struct pool *pool);

/* The same where it has one that is coming, and had none, or the other way round: see coming.h. */
void apply_pool_coming(struct pool *pool);

/* Publishes all that is marked now; what cannot be written is said, and tried again until it can. */
void apply_now(struct model *model);

/* Writes a pool that no service names yet. */
int apply_pool_added(struct pool *pool);

/* Takes a pool's value and ring out of the kernel side. */
void apply_pool_removed(struct pool *pool);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of what the kernel side chooses by: compares the model with what was published and
 * writes the difference in the order that loses nothing: a backend before the pool and ring that name
 * it, out of both before it is cleared; a disabled backend first of all, since that works at once.
 */
#ifndef LB_APPLY_H
#define LB_APPLY_H

#include "pool.h"

/* Publishes a backend at once, and its pool and ring at the end of this turn of the loop. */
void apply_backend(struct backend *backend);

/* Writes it whatever is there: what the kernel side has set in it is cleared. */
void apply_backend_anew(struct backend *backend);

/* Marks a pool whose members or scheduler have changed. */
void apply_pool_later(struct pool *pool);

/* Publishes all that is marked now. */
int apply_now(struct model *model);

/* Makes the kernel side know a new backend's address, or forget an old one's. */
int apply_backend_added(struct backend *backend);
void apply_backend_hidden(struct backend *backend); /* address only: another may have it now */
void apply_backend_removed(struct backend *backend);

/* Takes a pool's value and ring out of the kernel side. */
void apply_pool_removed(struct pool *pool);

/* Makes services and access rules equal to the model's; removes what no service names. */
int apply_services(struct model *model);

#endif

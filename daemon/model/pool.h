/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the model: makes, frees and finds pools, and finds backends and services; gives backends their ids. */
#ifndef LB_POOL_H
#define LB_POOL_H

#include "base/error.h"
#include "model/model.h"
#include "model/queries.h"

/* A pool of conf, without an id and with no backends, but room for all; NULL: no memory. */
struct pool *pool_new(struct model *model, struct conf *conf, size_t index);
void pool_free(struct pool *pool); /* not its backends; takes NULL */

struct pool *pool_find(const struct model *model, const char *name);
struct service *pool_find_service(const struct model *model, const char *name);

/* By endpoint within the pool, or in any pool if pool is NULL. */
struct backend *pool_find_backend(const struct model *model, const struct pool *pool,
				  const struct lb_endpoint *endpoint);

/* Calls each for every backend, those that leave last. */
void pool_each_backend(struct model *model, void (*each)(void *arg, struct backend *), void *arg);

/*
 * Calls each for the supervised backends that a target names: "web:8081", "web:*" or "all"; also for
 * those that leave, last.  Returns how many, -ENOENT when none, with a line.
 */
int pool_each_target(struct model *model, const char *target,
		     void (*each)(void *arg, struct backend *), void *arg, struct error *error);

/*
 * A free one for an endpoint: the one that pinned maps have for it, else the lowest, and one that they have for
 * another endpoint only where there is no other; -ENOSPC; another -errno: the maps cannot be read.
 */
int pool_take_place(struct model *model, const struct lb_endpoint *endpoint,
		    struct backend_place *place);

/* At the start, before the first is taken; and once all that were pinned are taken, or nobody's. */
int pool_find_pinned(struct model *model);
void pool_forget_pinned(struct model *model);

#endif

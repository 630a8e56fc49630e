/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model is to become by another configuration, built beside it: all that can fail is done here,
 * so that reconcile.c has only to swap.  Until then the model is as it was, and so is what the kernel
 * side chooses by: that is stage.h.
 */
#ifndef LB_PLAN_H
#define LB_PLAN_H

#include "apply/apply.h"
#include "model/pool.h"

/* A backend that no pool of the model has. */
struct plan_backend {
	struct backend *backend;
	struct apply_before before;
	bool comes_back; /* it was leaving: see leave.h */
	bool is_staged;
};

struct plan {
	struct model *model;
	struct conf *conf;
	struct pool **pools; /* one for each of conf's, in its order */
	struct pool **order; /* the same, by their workers' priority */
	size_t pool_count;
	struct plan_backend *added;
	size_t added_count;
	struct service **services;
	size_t staged_pools;
	bool services_staged;
};

/* -errno with a line; plan_unstage() and plan_drop() in any case where the plan is not followed. */
int plan_make(struct plan *plan, struct model *model, struct conf *conf, struct error *error);
void plan_drop(struct plan *plan);

/* The pool of that name in the model, that this one comes instead of; NULL: there is none. */
struct pool *plan_predecessor(const struct plan *plan, const struct pool *pool);

#endif

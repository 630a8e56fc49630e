/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the model, and through it the world, follow a configuration: only what differs is touched.
 */
#ifndef LB_RECONCILE_H
#define LB_RECONCILE_H

#include "model/pool.h"

struct plan;

/*
 * Checks conf against the world as it is (addresses in use, addresses that are not this host's) and
 * makes all ready that following it needs.  Between this and what comes next the loop must not run.  On
 * failure, with a line, the model is as before.
 */
int reconcile_begin(struct model *model, struct conf *conf, struct plan **out, struct error *error);

/*
 * Follows the configuration, which the model owns from now on; or leaves all as before.  Workers whose settings
 * it changes are rolled, and with is_reload all that run with old ones.
 */
void reconcile_commit(struct plan *plan, bool is_reload);
void reconcile_cancel(struct plan *plan);

/* Frees the model's objects; processes run on, the kernel side is left as it is. */
void reconcile_free(struct model *model);

#endif

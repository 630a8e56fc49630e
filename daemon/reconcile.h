/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the model, and through it the world, follow a configuration: only what differs is touched.
 */
#ifndef LB_RECONCILE_H
#define LB_RECONCILE_H

#include "pool.h"

/*
 * Checks conf against the world as it is (addresses in use, addresses that are not this host's), then
 * takes conf over and follows it.  On failure, with a line, the model is as before and conf is still
 * the caller's.
 */
int reconcile(struct model *model, struct conf *conf, struct error *error);

/* Frees the model's objects; processes run on, the kernel side is left as it is. */
void reconcile_free(struct model *model);

#endif

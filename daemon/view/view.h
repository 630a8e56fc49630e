/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model as JSON, as `lbctl -j` prints it.  Changes nothing: who is to hear what listens at this moment, and how
 * long the accept queues are, calls listeners_scan() before.
 */
#ifndef LB_VIEW_H
#define LB_VIEW_H

#include <jansson.h>

#include "lbd/lbd.h"

/*
 * DANGER: with a member "note", what lbd noted, which may quote a command, the configuration and the last lines that a
 * worker wrote: never for one who may only read, see call_show().  No other member may have such words.
 */
json_t *view_pools(const struct lbd *lbd, const struct pool *only); /* only NULL: all */
json_t *view_workers(struct lbd *lbd, const char *target);          /* target NULL: all */
json_t *view_services(const struct lbd *lbd);
json_t *view_status(struct lbd *lbd);
/* Names of the pools of which that is true. */
json_t *view_pools_where(const struct model *model, bool (*is_so)(const struct pool *pool));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The model as JSON, as `lbctl -j` prints it.  Changes nothing but refreshes what is measured. */
#ifndef LB_VIEW_H
#define LB_VIEW_H

#include <jansson.h>

#include "lbd/lbd.h"

/*
 * notes: with what lbd noted of each backend, which may quote its command, its configuration and the last
 * lines that it wrote; never for one who may only read.
 */
json_t *view_pools(struct lbd *lbd, const struct pool *only, bool notes); /* only NULL: all */
json_t *view_workers(struct lbd *lbd, const char *target, bool notes);    /* target NULL: all */
json_t *view_services(struct lbd *lbd);
json_t *view_status(struct lbd *lbd);
/* Names of the pools of which that is true. */
json_t *view_pools_where(const struct model *model, bool (*is_so)(const struct pool *pool));

#endif

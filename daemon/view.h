/* SPDX-License-Identifier: Apache-2.0 */
/* The model as JSON, as `lbctl -j` prints it.  Changes nothing but refreshes what is measured. */
#ifndef LB_VIEW_H
#define LB_VIEW_H

#include <jansson.h>

#include "lbd.h"

json_t *view_pools(struct lbd *lbd);
json_t *view_workers(struct lbd *lbd, const char *target); /* target NULL: all */
json_t *view_services(struct lbd *lbd);
json_t *view_status(struct lbd *lbd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The model's services: made anew from each configuration, with the numbers that they had. */
#ifndef LB_SERVICES_H
#define LB_SERVICES_H

#include "pool.h"

/* The pools must be there.  -ENOMEM. */
int services_follow(struct model *model, const struct conf *conf);
void services_free(struct model *model);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The model's services: made anew from each configuration, with the numbers that they had. */
#ifndef LB_SERVICES_H
#define LB_SERVICES_H

#include "model/pool.h"

/* conf's, of these pools (one for each of conf's, in its order).  -ENOMEM. */
int services_build(struct model *model, const struct conf *conf, struct pool *const *pools,
		   struct service ***out);
void services_free(struct service **services, size_t count);

#endif

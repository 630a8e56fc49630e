/* SPDX-License-Identifier: Apache-2.0 */
/* Is the world such that a configuration can be followed?  Changes nothing. */
#ifndef LB_RECONCILE_CHECK_H
#define LB_RECONCILE_CHECK_H

#include "model/pool.h"

/* After a death an address that has gone is logged, and no error. */
int reconcile_check(const struct model *model, const struct conf *conf, struct error *error);

#endif

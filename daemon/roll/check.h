/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before a worker that runs is stopped to be started again: would that start fail, by what check/launch.h looks at?
 * Here also where others may have made it so: nothing is kept from them but an end of what serves.
 */
#ifndef LB_ROLL_CHECK_H
#define LB_ROLL_CHECK_H

#include "model/pool.h"

/* -errno with a line. */
int roll_check(const struct backend *backend, struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names that become parts of paths, checked here and nowhere else.  The longest of those paths is that of a
 * worker's notify socket, RUNDIR/notify/POOL:PORT, which unix(7) limits: a name that is accepted fits.
 */
#ifndef LB_NAME_H
#define LB_NAME_H

#include <stdbool.h>

#include "base/error.h"

enum { NAME_INSTANCE_MAX = 32, NAME_POOL_MAX = 52 };

/* -EINVAL with a line.  No dots: bpffs refuses them. */
int name_check_instance(const char *name, struct error *error);

/* Of a pool, a service or a static block. */
bool name_is_good(const char *name);

#endif

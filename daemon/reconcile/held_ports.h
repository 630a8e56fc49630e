/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that take the place of what serves, on ports that are in use: by somebody who is not lbd's, and they cannot
 * start before he lets go; or by workers that leave, as at another name of their pool, whose end is waited for.
 */
#ifndef LB_HELD_PORTS_H
#define LB_HELD_PORTS_H

#include "model/pool.h"

/*
 * -EADDRINUSE with a line where a service that has somebody up would, by `to`, have new workers alone, each of whose
 * ports is held so: its clients would be refused, or wait, until one of them is free.
 */
int held_ports_check(const struct model *model, const struct conf *to, struct error *error);

#endif

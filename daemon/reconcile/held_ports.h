/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that take the place of what serves, on ports that somebody who is not lbd's has: they cannot start before he
 * lets go, and what serves is none of the pool's by then.
 */
#ifndef LB_HELD_PORTS_H
#define LB_HELD_PORTS_H

#include "model/pool.h"

/*
 * -EADDRINUSE with a line where a service that has somebody up would, by `to`, have new workers alone, each of whose
 * ports is held so: its clients would be refused until one of them is free.
 */
int held_ports_check(const struct model *model, const struct conf *to, struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What would change from one configuration to another.  Pure, but for interfaces: it asks whether one is there. */
#ifndef LB_DIFFERENCE_H
#define LB_DIFFERENCE_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"

/* Prints a line for each change: "pool web: backend 127.0.0.1:8085 added".  Returns how many. */
unsigned difference_print(const struct conf *from, const struct conf *to, FILE *out);

/* Have those settings of the pool's workers changed that only a restart brings about? */
bool difference_restarts(const struct conf_pool *from, const struct conf_pool *to);

#endif

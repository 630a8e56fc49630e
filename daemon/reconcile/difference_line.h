/* SPDX-License-Identifier: Apache-2.0 */
/* For difference.c and difference_service.c: how a change is told. */
#ifndef LB_DIFFERENCE_LINE_H
#define LB_DIFFERENCE_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "conf/conf.h"

struct difference {
	FILE *out;
	unsigned count; /* lines */
};

void difference_line(struct difference *difference, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* All that is new of a pool has to get up first: a worker has to be started, a check to pass. */
bool difference_is_late(const struct conf *from, const struct conf_pool *pool);

#endif

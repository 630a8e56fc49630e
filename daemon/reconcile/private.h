/* SPDX-License-Identifier: Apache-2.0 */
/* What difference.c and difference_service.c use of one another. */
#ifndef LB_DIFFERENCE_PRIVATE_H
#define LB_DIFFERENCE_PRIVATE_H

#include "reconcile/difference.h"

struct difference {
	FILE *out;
	unsigned count; /* lines */
};

void difference_line(struct difference *difference, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What is new of it has to get up first: a worker has to be started, a check to pass. */
bool difference_is_late(const struct conf_pool *pool);

/* difference_service.c */
void difference_services(struct difference *difference, const struct conf *from,
			 const struct conf *to);

#endif

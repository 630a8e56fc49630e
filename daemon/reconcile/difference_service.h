/* SPDX-License-Identifier: Apache-2.0 */
/* For difference.c: what has changed for clients: where they are served, by which pool, and who may come. */
#ifndef LB_DIFFERENCE_SERVICE_H
#define LB_DIFFERENCE_SERVICE_H

#include "reconcile/difference_line.h"

void difference_services(struct difference *difference, const struct conf *from,
			 const struct conf *to);

#endif

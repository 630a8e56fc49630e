/* SPDX-License-Identifier: Apache-2.0 */
/* Services and their access rules in the kernel side. */
#ifndef LB_APPLY_SERVICES_H
#define LB_APPLY_SERVICES_H

#include "model/pool.h"

/*
 * Makes services and access rules equal to these; removes what none of them names.  On failure some are
 * written: the same with those before takes it back.
 */
int apply_services(struct model *model, struct service *const *services, size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Of a worker that is lbstatic: whether its words mean something, and what they name is there. */
#ifndef LB_LAUNCH_STATIC_H
#define LB_LAUNCH_STATIC_H

#include "check/launch_look.h"

/* What it opens at its start is looked at as the user that it will be then. */
int launch_check_static(const struct look *look, char *const *argv, const struct account *user);

#endif

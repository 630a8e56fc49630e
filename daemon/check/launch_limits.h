/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the kernel give a child what is asked of it before its program runs?  What holds for any process of this host
 * is told to all; what this one may not have, to root alone, who has a start's rights.
 */
#ifndef LB_LAUNCH_LIMITS_H
#define LB_LAUNCH_LIMITS_H

#include "check/launch_look.h"

int launch_check_limits(const struct look *look);

#endif

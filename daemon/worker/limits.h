/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that cgroup v2 keeps: memory, pids, cpu. */
#ifndef LB_WORKER_LIMITS_H
#define LB_WORKER_LIMITS_H

#include "base/error.h"
#include "conf/conf.h"

/*
 * Sets what conf asks for on a worker's group (NULL: there is none).  The first that cannot be had is
 * -errno with a line; the others are set all the same.
 */
int worker_limits_set(const struct conf_limits *conf, const char *cgroup, struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Where cgroup v2 is mounted: alone, or (hybrid) beside version 1. */
#ifndef LB_CGROUP_ROOT_H
#define LB_CGROUP_ROOT_H

#include <limits.h>

/* Where the root of cgroup v2 is mounted, alone or beside version 1; -ENOENT: nowhere. */
int cgroup_root(char path[PATH_MAX]);

#endif

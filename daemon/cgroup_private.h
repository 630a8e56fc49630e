/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup.c and cgroup_limit.c share; for nobody else.  All return -errno. */
#ifndef LB_CGROUP_PRIVATE_H
#define LB_CGROUP_PRIVATE_H

#include <limits.h>

/* Where lbd itself is once its own group's children have controllers. */
#define CGROUP_LEAF "lbd.supervisor"

/* dir/file: a descriptor; or that one write. */
int cgroup_open_file(const char *dir, const char *file, int flags);
int cgroup_write_file(const char *dir, const char *file, const char *text);

/* Appends name to dir, and makes that group where it is not there. */
int cgroup_make_below(char dir[PATH_MAX], const char *name);

#endif

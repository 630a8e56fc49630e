/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the room cgroup share; for nobody else.  Numbers that they return are -errno. */
#ifndef LB_CGROUP_PRIVATE_H
#define LB_CGROUP_PRIVATE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Where lbd itself is once its own group's children have controllers. */
#define CGROUP_LEAF "lbd.supervisor"

/* host/cgroup/file.c.  dir/file: a descriptor; or that one write; or all of it that has room, as a string. */
int cgroup_open_file(const char *dir, const char *file, int flags);
int cgroup_write_file(const char *dir, const char *file, const char *text);
int cgroup_read_file(const char *dir, const char *file, char *text, size_t room);

/* Appends name to dir, and makes that group where it is not there. */
int cgroup_make_below(char dir[PATH_MAX], const char *name);

/*
 * host/cgroup/cgroup.c: the part of dir that names it in /proc/PID/cgroup; NULL: it is not where cgroup v2 is
 * mounted.
 */
const char *cgroup_group(const char *dir);

/* cgroup_holds() of that part. */
bool cgroup_group_holds(const char *group, pid_t pid);

#endif

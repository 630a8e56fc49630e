/* SPDX-License-Identifier: Apache-2.0 */
/* What is in a control group and below it. */
#ifndef LB_CGROUP_BELOW_H
#define LB_CGROUP_BELOW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The number of a process that is in it or below; 0: none is known. */
pid_t cgroup_first(const char *dir);

/* Whether that number (cgroup_id()) is its own, or of a group below it. */
bool cgroup_contains(const char *dir, uint64_t id);

/* Calls each with every process in it and below, as long as that returns true; none where it does not exist. */
void cgroup_each_process(const char *dir, bool (*each)(void *arg, pid_t pid), void *arg);

/* Calls each with the name of every group right below dir; 0, also where dir is not there, or -errno. */
int cgroup_each(const char *dir, void (*each)(void *arg, const char *name), void *arg);

#endif

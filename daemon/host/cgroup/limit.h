/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits of a control group, and the controllers that they need.  Source: kernel doc admin-guide/cgroup-v2.rst,
 * "Controlling Controllers".  Stateless: what is enabled is the kernel's to say.
 */
#ifndef LB_CGROUP_LIMIT_H
#define LB_CGROUP_LIMIT_H

#include <stdbool.h>

#include "base/error.h"

/* Whether cgroup v2 has it on this host, for whomever: "memory". */
bool cgroup_has_controller(const char *controller);

/*
 * Writes one control file, "memory.max" and the like; enables its controller from our group down
 * where that is needed, for which this process and its children, if alone in their group, move to
 * <our group>/lbd.supervisor.  -ENOENT with a line when the controller is not to be had here.
 */
int cgroup_limit(const char *dir, const char *file, const char *value, struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/limits.h"

#include <errno.h>
#include <stdio.h>

#include "host/cgroup/limit.h"

enum { CPU_PERIOD_US = 100000 };

/* All of those that cannot be had, in one line. */
static int set_limit(const char *cgroup, const char *file, const char *value, int before,
		     struct error *error)
{
	struct error one, others = *error;
	int err = cgroup ? cgroup_limit(cgroup, file, value, &one)
			 : error_set(&one, -ENOENT, "%s %s: no cgroup v2 here: no such limit", file,
				     value);

	if (!err)
		return before;
	return error_set(error, err, "%.*s%s%s", (int)sizeof(others.text) / 2,
			 before ? others.text : "", before ? "; " : "", one.text);
}

int worker_limits_set(const struct conf_limits *conf, const char *cgroup, struct error *error)
{
	char value[64];
	int err = 0;

	error->text[0] = '\0';

	if (conf->memory_max_bytes != CONF_UNSET) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)conf->memory_max_bytes);
		err = set_limit(cgroup, "memory.max", value, err, error);
	}
	if (conf->pids_max != CONF_UNSET) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)conf->pids_max);
		err = set_limit(cgroup, "pids.max", value, err, error);
	}
	if (conf->cpu_max_percent) {
		snprintf(value, sizeof(value), "%llu %d",
			 conf->cpu_max_percent * (CPU_PERIOD_US / 100ull), CPU_PERIOD_US);
		err = set_limit(cgroup, "cpu.max", value, err, error);
	}
	return err;
}

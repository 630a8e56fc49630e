/* SPDX-License-Identifier: Apache-2.0 */
#include "check/held_up.h"

#include <linux/capability.h>

#include "base/sysctl.h"

static bool is_for_all(void)
{
	return sysctl_number("vm/unprivileged_userfaultfd", 0);
}

static bool may_trace(const struct conf_pool *pool)
{
	return pool->worker && pool->worker->confinement.set_capabilities &&
	       pool->worker->confinement.capabilities & 1ULL << CAP_SYS_PTRACE;
}

void conf_warn_held_up(const struct conf *conf, const struct launch_warn *warn)
{
	bool has_workers = false;
	struct error error;

	for (size_t i = 0; i < conf->pool_count; i++) {
		has_workers |= conf->pools[i].worker != NULL;
		if (!may_trace(&conf->pools[i]))
			continue;
		error_set(&error, 0,
			  "pool %s: by CAP_SYS_PTRACE its workers can hold lbd up for ever "
			  "(userfaultfd(2)) and take over any process, lbd too (ptrace(2)); "
			  "unless they are trusted as root is, take SYS_PTRACE out of its "
			  "`capabilities`",
			  conf->pools[i].name);
		warn->tell(warn->arg, error.text);
	}
	if (!has_workers || !is_for_all())
		return;
	error_set(&error, 0,
		  "vm.unprivileged_userfaultfd is not 0: any worker can hold lbd up for ever by "
		  "userfaultfd(2); unless all are trusted as root is, set it to 0 (sysctl -w "
		  "vm.unprivileged_userfaultfd=0, and in /etc/sysctl.d)");
	warn->tell(warn->arg, error.text);
}

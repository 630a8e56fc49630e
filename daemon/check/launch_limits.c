/* SPDX-License-Identifier: Apache-2.0 */
#include "check/launch_limits.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "check/own_addresses.h"
#include "host/process/capabilities.h"

static bool lacks_capability(unsigned capability)
{
	return !geteuid() && !(capabilities_permitted() >> capability & 1);
}

/* setrlimit(2): nobody gets more descriptors than that. */
static uint64_t most_files(void)
{
	return sysctl_number("fs/nr_open", UINT64_MAX);
}

/* Each has two words. */
static const struct block *at_limit(const struct look *look, const char *name)
{
	const struct block *at = launch_look_at(look, "limit", 0);

	for (size_t i = 2; at != look->pool->at && strcmp(at->words[1], name); i += 2)
		at = launch_look_at(look, "limit", i);
	return at;
}

static int check_limit(const struct look *look, const char *name, int resource, uint64_t value)
{
	uint64_t most = resource == RLIMIT_NOFILE ? most_files() : UINT64_MAX;
	const char *advice = "raise that (sysctl -w fs.nr_open=N, and in /etc/sysctl.d)";
	const char *what = "fs.nr_open";
	struct rlimit hard;
	int err;

	if (value == CONF_UNSET)
		return 0;
	if (value <= most) {
		if (getrlimit(resource, &hard) || value <= hard.rlim_max ||
		    !lacks_capability(CAP_SYS_RESOURCE))
			return 0;
		most = hard.rlim_max;
		what = "the limit of lbd, which may not raise it,";
		advice = "start lbd with a higher one (ulimit, LimitNOFILE= of the unit)";
	}
	err = block_error(at_limit(look, name), look->error, -EPERM,
			  "pool %s: limit %s %" PRIu64 ": %s is %" PRIu64 "; ask for less, or %s",
			  look->pool->name, name, value, what, most, advice);
	return launch_refuse(err, look->warn, look->error);
}

static int check_nice(const struct look *look)
{
	int nice = look->pool->worker->limits.nice, least;

	if (nice == CONF_NICE_UNSET)
		return 0;
	least = getpriority(PRIO_PROCESS, 0);
	if (nice >= least || !lacks_capability(CAP_SYS_NICE))
		return 0;
	block_error(launch_look_at(look, "nice", 0), look->error, -EPERM,
		    "pool %s: nice %d: lbd has %d, and may not go below it without CAP_SYS_NICE; "
		    "ask for no less, or start lbd with that",
		    look->pool->name, nice, least);
	return launch_refuse(-EPERM, look->warn, look->error);
}

/* Of those alone who check: lbd looks at its own before it starts or reloads, privileges.h. */
static int check_capabilities(const struct look *look)
{
	const struct confinement *confinement = &look->pool->worker->confinement;
	uint64_t missing = confinement->set_capabilities ? confinement->capabilities : 0;

	if (!missing || !look->warn->refuse || geteuid())
		return 0;
	missing &= ~capabilities_permitted();
	if (!missing)
		return 0;
	block_error(launch_look_at(look, "capabilities", 0), look->error, -EPERM,
		    "pool %s: capabilities: cap_%s is kept from root itself here (CapBnd in "
		    "/proc/self/status), and so from all that lbd starts; take it out, or have lbd "
		    "started with it",
		    look->pool->name, capabilities_name(__builtin_ctzll(missing)));
	return launch_refuse(-EPERM, look->warn, look->error);
}

/* The second listener, which lbd opens: ::1, that a host without IPv6 does not have. */
static int check_dual_stack(const struct look *look)
{
	const struct conf_worker *worker = look->pool->worker;
	struct lb_addr second;

	if (!worker->dual_stack || !addr_is_v4(&worker->addr))
		return 0;
	if (addr_is_any(&worker->addr))
		addr_any(true, &second);
	else
		addr_loopback(true, &second);
	if (own_addresses_has(&second))
		return 0;
	block_error(launch_look_at(look, "dual_stack", 0), look->error, -EADDRNOTAVAIL,
		    "pool %s: dual_stack: this host has no %s, as IPv6 is off "
		    "(net.ipv6.conf.lo.disable_ipv6); turn it on, or leave dual_stack out",
		    look->pool->name, addr_is_any(&second) ? "::" : "::1");
	return launch_refuse(-EADDRNOTAVAIL, look->warn, look->error);
}

int launch_check_limits(const struct look *look)
{
	const struct conf_limits *limits = &look->pool->worker->limits;
	int err = check_limit(look, "nofile", RLIMIT_NOFILE, limits->nofile);

	if (!err)
		err = check_limit(look, "core", RLIMIT_CORE, limits->core);
	if (!err)
		err = check_nice(look);
	if (!err)
		err = check_capabilities(look);
	return err ? err : check_dual_stack(look);
}

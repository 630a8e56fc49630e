/* SPDX-License-Identifier: Apache-2.0 */
#include "check/warn.h"

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "base/sysctl.h"
#include "check/held_up.h"
#include "check/served.h"
#include "check/service_clash.h"
#include "check/words.h"
#include "host/cgroup/limit.h"
#include "host/instance/instance.h"
#include "host/instance/pid_file.h"
#include "host/net/ephemeral.h"
#include "host/process/account.h"

/* Of the ports of a pool's workers the first and last that the kernel may draw; false: none. */
static bool find_drawn(const struct conf_worker *worker, const struct ephemeral *ephemeral,
		       unsigned *first, unsigned *last)
{
	bool found = false;

	for (unsigned i = 0; worker && i < worker->count; i++) {
		unsigned port = worker->first_port + i;

		if (!ephemeral_has(ephemeral, port))
			continue;
		if (!found)
			*first = port;
		found = true;
		*last = port;
	}
	return found;
}

static void warn_drawn(const struct conf_pool *pool, const struct ephemeral *ephemeral,
		       const struct launch_warn *warn)
{
	unsigned first = 0, last = 0;
	struct error error;
	char ports[16];

	if (!find_drawn(pool->worker, ephemeral, &first, &last))
		return;
	if (first == last)
		snprintf(ports, sizeof(ports), "%u", first);
	else
		snprintf(ports, sizeof(ports), "%u-%u", first, last);
	error_set(&error, 0,
		  "pool %s: its workers' port%s %s can be taken by any outgoing "
		  "connection of this host (net.ipv4.ip_local_port_range is %u-%u) while a worker "
		  "restarts; add %s to net.ipv4.ip_local_reserved_ports, or change `ports`",
		  pool->name, first == last ? "" : "s", ports, ephemeral->first, ephemeral->last,
		  ports);
	warn->tell(warn->arg, error.text);
}

static unsigned first_unprivileged(void)
{
	return sysctl_number("net/ipv4/ip_unprivileged_port_start", 1024);
}

/* bind(2) would fail with EACCES, unless the program's file has the capability: see capabilities(7). */
static void warn_privileged(const struct conf_pool *pool, unsigned first,
			    const struct launch_warn *warn)
{
	const struct conf_worker *worker = pool->worker;
	struct error error;
	uid_t uid;
	bool may;

	if (!worker || worker->inherit || worker->first_port >= first ||
	    account_uid(worker->user, &uid, &error))
		return;
	if (worker->confinement.set_capabilities)
		may = worker->confinement.capabilities & 1ULL << CAP_NET_BIND_SERVICE;
	else
		may = !uid;
	if (may)
		return;
	error_set(&error, 0,
		  "pool %s: port %u can be bound to with CAP_NET_BIND_SERVICE alone "
		  "(net.ipv4.ip_unprivileged_port_start is %u), which its workers do not have; add "
		  "`capabilities NET_BIND_SERVICE;` or `listen inherit;`, or change `ports`",
		  pool->name, worker->first_port, first);
	warn->tell(warn->arg, error.text);
}

/* It may be one that comes and goes, or a slip. */
static void warn_absent(const struct conf_attach *attach, const struct launch_warn *warn)
{
	struct error error;

	if (if_nametoindex(attach->interface))
		return;
	block_error(attach->at, &error, 0,
		    "attach: interface %s is not there now; it is attached when it appears",
		    attach->interface);
	warn->tell(warn->arg, error.text);
}

/* What asks for a controller that is not there is not in force: workers run without it. */
static void warn_limits(const struct conf_pool *pool, const struct launch_warn *warn)
{
	const struct conf_limits *limits = pool->worker ? &pool->worker->limits : NULL;
	const struct {
		const char *limit, *controller;
		bool is_set;
	} rows[] = {
		{"memory", "memory", limits && limits->memory_max_bytes != CONF_UNSET},
		{"pids", "pids", limits && limits->pids_max != CONF_UNSET},
		{"cpu", "cpu", limits && limits->cpu_max_percent},
	};
	struct error error;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (!rows[i].is_set || cgroup_has_controller(rows[i].controller))
			continue;
		block_error(pool->at, &error, 0,
			    "pool %s: limit %s is not in force here: controller %s is not in "
			    "cgroup v2 (perhaps taken by v1)",
			    pool->name, rows[i].limit, rows[i].controller);
		warn->tell(warn->arg, error.text);
	}
}

/* The start refuses it; not so a reload by who serves there already, which is not to be seen from here. */
static void warn_taken(const struct conf *conf, const char *instance,
		       const struct launch_warn *warn)
{
	struct error error;

	if (service_clash_backends(conf, instance, NULL, NULL, &error) == -EADDRINUSE ||
	    service_clash_check(conf, instance, NULL, NULL, &error) == -EADDRINUSE)
		warn->tell(warn->arg, error.text);
}

/* So does it with a file of another program's.  Whose it is, root alone can tell. */
static void warn_pid_file(const struct conf *conf, const char *instance,
			  const struct launch_warn *warn)
{
	struct error error;

	if (conf->pid_file && !geteuid() &&
	    pid_file_check_content(conf->pid_file, instance_pid(instance), &error))
		warn->tell(warn->arg, error.text);
}

void conf_warn(const struct conf *conf, const char *instance, const struct launch_warn *warn)
{
	struct ephemeral ephemeral;

	for (size_t i = 0; i < conf->attach_count; i++)
		warn_absent(&conf->attaches[i], warn);
	ephemeral_read(&ephemeral);
	for (size_t i = 0; i < conf->pool_count; i++)
		warn_drawn(&conf->pools[i], &ephemeral, warn);
	for (size_t i = 0; i < conf->pool_count; i++)
		warn_privileged(&conf->pools[i], first_unprivileged(), warn);
	for (size_t i = 0; i < conf->pool_count; i++)
		warn_limits(&conf->pools[i], warn);
	conf_warn_held_up(conf, warn);
	conf_warn_words(conf, warn);
	conf_warn_served(conf, warn);
	conf_warn_unnamed(conf, warn);
	warn_taken(conf, instance, warn);
	warn_pid_file(conf, instance, warn);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check/privileges.h"

#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <string.h>

#include "host/process/capabilities.h"

#define BIT(name) (1ULL << (name))

/* Each with its reason in lbd.8. */
static const uint64_t used =
	BIT(CAP_BPF) | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_FOWNER) | BIT(CAP_KILL) |
	BIT(CAP_NET_ADMIN) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) |
	BIT(CAP_SETUID) | BIT(CAP_SYS_NICE) | BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_RESOURCE);

/* To be handed to this pool's workers, or needed for what they ask for. */
static uint64_t needed_by(const struct conf_pool *pool)
{
	const struct confinement *confinement = pool->worker ? &pool->worker->confinement : NULL;
	uint64_t set = 0;

	if (!confinement)
		return 0;
	if (confinement->set_capabilities)
		set = confinement->capabilities;
	if (confinement->private_tmp || confinement->read_only)
		set |= BIT(CAP_SYS_ADMIN) | BIT(CAP_SETPCAP);
	return set;
}

static uint64_t needed_by_all(const struct conf *conf)
{
	uint64_t set = 0;

	for (size_t i = 0; conf && i < conf->pool_count; i++)
		set |= needed_by(&conf->pools[i]);
	return set;
}

int privileges_drop(const struct conf *conf, const struct conf *next, struct error *error)
{
	int err = capabilities_keep(used | needed_by_all(conf) | needed_by_all(next));

	return err ? error_set(error, err, "capabilities: cannot give up those not needed: %s",
			       strerror(-err))
		   : 0;
}

int privileges_check(const struct conf *conf, struct error *error)
{
	uint64_t permitted = capabilities_permitted(), missing = 0;

	for (size_t i = 0; i < conf->pool_count; i++) {
		missing = needed_by(&conf->pools[i]) & ~permitted;
		if (missing)
			return error_set(
				error, -EPERM,
				"pool %s: its workers need cap_%s, which lbd has given up or "
				"was never given; `lbctl reexec`, then `lbctl reload`, take it up "
				"where lbd was started with it",
				conf->pools[i].name, capabilities_name(__builtin_ctzll(missing)));
	}
	return 0;
}

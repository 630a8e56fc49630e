/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_warn.h"

#include <net/if.h>

#include "ephemeral.h"

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

void conf_warn(const struct conf *conf, const struct launch_warn *warn)
{
	struct ephemeral ephemeral;

	for (size_t i = 0; i < conf->attach_count; i++)
		warn_absent(&conf->attaches[i], warn);
	ephemeral_read(&ephemeral);
	for (size_t i = 0; i < conf->pool_count; i++)
		warn_drawn(&conf->pools[i], &ephemeral, warn);
}

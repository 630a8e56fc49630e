/* SPDX-License-Identifier: Apache-2.0 */
#include "host/net/match.h"

#include <string.h>

#include "base/addr.h"

bool listeners_match(const struct lb_endpoint *worker, const struct lb_endpoint *bound)
{
	if (bound->port != worker->port)
		return false;
	if (!memcmp(&bound->addr, &worker->addr, sizeof(bound->addr)))
		return true;
	if (addr_is_any(&bound->addr) || addr_is_any(&worker->addr))
		return true;
	return addr_is_loopback(&bound->addr) && addr_is_loopback(&worker->addr) &&
	       addr_is_v4(&bound->addr) != addr_is_v4(&worker->addr);
}

/* As inet_csk_bind_conflict() has it for two that do not both ask for SO_REUSEPORT. */
bool match_blocks(const struct lb_endpoint *endpoint, const struct sockets_listener *socket)
{
	bool is_v6 = !addr_is_v4(&endpoint->addr);
	const struct lb_endpoint *bound = &socket->endpoint;

	if (bound->port != endpoint->port)
		return false;
	if (!memcmp(&bound->addr, &endpoint->addr, sizeof(bound->addr)))
		return true;
	if (!addr_is_any(&bound->addr) && !addr_is_any(&endpoint->addr))
		return false;
	return socket->is_v6 == is_v6 || (socket->is_v6 && !socket->v6only);
}

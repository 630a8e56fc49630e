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

/* Any address of which families? */
static bool takes_any(struct match_at at, bool is_v6)
{
	if (!addr_is_any(&at.endpoint->addr))
		return false;
	return addr_is_v4(&at.endpoint->addr) ? !is_v6 : is_v6 || at.both;
}

static bool takes_family(struct match_at at, bool is_v6)
{
	return takes_any(at, is_v6) ||
	       (!addr_is_any(&at.endpoint->addr) && addr_is_v4(&at.endpoint->addr) != is_v6);
}

/* As inet_csk_bind_conflict() has it for two that do not both ask for SO_REUSEPORT. */
bool match_shares(struct match_at a, struct match_at b)
{
	if (a.endpoint->port != b.endpoint->port)
		return false;
	if (!memcmp(&a.endpoint->addr, &b.endpoint->addr, sizeof(a.endpoint->addr)))
		return true;
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		if ((takes_any(a, is_v6) && takes_family(b, is_v6)) ||
		    (takes_any(b, is_v6) && takes_family(a, is_v6)))
			return true;
	return false;
}

static struct match_at at_socket(const struct sockets_listener *socket)
{
	return (struct match_at){&socket->endpoint, socket->is_v6 && !socket->v6only};
}

bool match_service_shares(const struct lb_endpoint *listen, const struct sockets_listener *socket)
{
	return match_shares((struct match_at){listen, false}, at_socket(socket));
}

bool match_blocks(const struct lb_endpoint *endpoint, bool dual_stack,
		  const struct sockets_listener *socket)
{
	struct lb_endpoint second;

	if (match_shares((struct match_at){endpoint, dual_stack}, at_socket(socket)))
		return true;
	return dual_stack && match_counterpart(endpoint, &second) &&
	       match_shares((struct match_at){&second, false}, at_socket(socket));
}

bool match_counterpart(const struct lb_endpoint *v4, struct lb_endpoint *v6)
{
	if (!addr_is_v4(&v4->addr) || (!addr_is_loopback(&v4->addr) && !addr_is_any(&v4->addr)))
		return false;
	*v6 = *v4;
	addr_any(true, &v6->addr);
	if (addr_is_loopback(&v4->addr))
		v6->addr.bytes[15] = 1;
	return true;
}

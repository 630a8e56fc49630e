/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The service that a flow is for, and whether the client may use it. */
#ifndef LB_SERVICE_H
#define LB_SERVICE_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <linux/in.h>

#include "flow.h"
#include "maps.h"

/* False for most packets, at the cost of one load. */
static __always_inline bool service_has_port(__be16 network_port)
{
	__u16 port = bpf_ntohs(network_port);
	__u32 zero = 0;
	struct service_ports *ports = bpf_map_lookup_elem(&service_ports, &zero);

	return ports && ports->bits[port >> 3] >> (port & 7) & 1;
}

/* The exact address goes before any address of the family; NULL: none. */
static __always_inline const struct lb_service *service_find(const struct flow *flow)
{
	struct lb_endpoint key = {
		.addr = flow->service,
		.port = flow->service_port,
		.protocol = IPPROTO_TCP,
	};
	const struct lb_service *service = bpf_map_lookup_elem(&services, &key);

	if (service)
		return service;
	key.addr.words[3] = 0;
	if (flow->is_v6)
		key.addr.words[0] = key.addr.words[1] = key.addr.words[2] = 0;
	return bpf_map_lookup_elem(&services, &key);
}

static __always_inline bool service_admits(const struct lb_service *service,
					   const struct flow *flow)
{
	struct lb_acl_key key = {
		.prefix_bits = 32 + 128,
		.service = service->id,
		.addr = flow->client,
	};
	__u8 *verdict;

	if (!(service->flags & LB_SERVICE_ACL))
		return true;
	verdict = bpf_map_lookup_elem(&acl, &key);
	if (!verdict)
		return !(service->flags & LB_SERVICE_DEFAULT_DENY);
	return *verdict == LB_ACL_ALLOW;
}

#endif

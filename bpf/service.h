/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* The service that a flow is for, and whether the client may use it. */
#ifndef LB_SERVICE_H
#define LB_SERVICE_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <linux/in.h>

#include "flow.h"
#include "maps.h"

/* LB_PORT_*; 0: the port has no service. */
static __always_inline __u32 service_port_flags(__be16 port)
{
	__u32 zero = 0;
	struct service_ports *ports = bpf_map_lookup_elem(&service_ports, &zero);
	__u32 index = bpf_ntohs(port);

	/* The verifier of Linux 6.1 takes a swapped value for one of any size; the compiler knows better. */
	asm volatile("" : "+r"(index));
	index &= LB_PORTS - 1;
	return ports ? ports->flags[index] : 0;
}

/* Whatever its address, the packet is for a service. */
static __always_inline bool service_is_any(__u32 port_flags, bool is_v6)
{
	return port_flags & (is_v6 ? LB_PORT_ANY_V6 : LB_PORT_ANY_V4);
}

/* The exact address goes before any address of the family; NULL: none. */
static __always_inline const struct lb_service *service_find(const struct flow *flow,
							     __u32 port_flags)
{
	struct lb_endpoint key = {
		.addr = flow->service,
		.port = flow->service_port,
		.protocol = IPPROTO_TCP,
	};
	const struct lb_service *service = NULL;

	if (port_flags & LB_PORT_ADDRESS)
		service = bpf_map_lookup_elem(&services, &key);
	if (service || !service_is_any(port_flags, flow->is_v6))
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

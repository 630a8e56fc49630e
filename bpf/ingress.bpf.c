// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * ingress: an XDP program on each attached interface.  It admits, counts, and chooses a backend for the
 * first segment of a connection; what it chose, steer delivers.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "choose.h"
#include "count.h"
#include "handover.h"
#include "local.h"
#include "parse.h"
#include "service.h"

static __always_inline int ingress_choose(const struct lb_service *service, const struct flow *flow)
{
	__u64 hash = choose_hash(flow);
	int backend = choose_for(service->pool, flow, hash);

	if (backend == CHOICE_MAX_CONNECTIONS)
		return LB_INGRESS_MAX_CONNECTIONS;
	if (backend == CHOICE_DEFER)
		return LB_INGRESS_DEFERRED;
	if (backend < 0)
		return LB_INGRESS_NO_BACKEND; /* steer says so to the client */
	handover_write(hash, backend);
	return LB_INGRESS_CHOSEN;
}

static __always_inline void ingress_count_drop(__u16 service, int reason)
{
	struct lb_service_count *count = count_service(service);

	if (count && reason == LB_INGRESS_DENIED)
		count->denied++;
	if (count && reason == LB_INGRESS_MAX_CONNECTIONS)
		count->dropped++;
	if (count && reason == LB_INGRESS_DEFERRED)
		count->deferred++;
}

static __always_inline int ingress_decide(struct xdp_md *ctx)
{
	const struct lb_service *service;
	struct flow flow;
	int reason = parse(ctx, &flow);
	__u32 port_flags;

	if (reason != PARSED)
		return reason;
	port_flags = service_port_flags(flow.service_port);
	if (!port_flags)
		return LB_INGRESS_NO_SERVICE;
	if (!flow.is_first && service_is_any(port_flags, flow.is_v6))
		return LB_INGRESS_ESTABLISHED;
	service = service_find(&flow, port_flags);
	if (!service)
		return LB_INGRESS_NO_SERVICE;
	if (!flow.is_first)
		return LB_INGRESS_ESTABLISHED;
	if (!local_has(&flow))
		return LB_INGRESS_NOT_LOCAL;
	if (service_admits(service, &flow))
		reason = ingress_choose(service, &flow);
	else
		reason = LB_INGRESS_DENIED;
	ingress_count_drop(service->id, reason);
	return reason;
}

SEC("xdp.frags")
int ingress(struct xdp_md *ctx)
{
	int reason = ingress_decide(ctx);

	count_reason(reason);
	switch (reason) {
	case LB_INGRESS_MAX_CONNECTIONS: /* the client's retry finds room, */
	case LB_INGRESS_DEFERRED:        /* or somebody, */
	case LB_INGRESS_DENIED:          /* and the denied learn nothing */
		return XDP_DROP;
	default:
		return XDP_PASS;
	}
}

char _license[] SEC("license") = "GPL";

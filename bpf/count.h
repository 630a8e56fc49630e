/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* Counters, per CPU: no atomic operation on the way of a packet. */
#ifndef LB_COUNT_H
#define LB_COUNT_H

#include "maps.h"

static __always_inline void count_reason(__u32 reason)
{
	__u64 *count = bpf_map_lookup_elem(&reasons, &reason);

	if (count)
		(*count)++;
}

static __always_inline struct lb_service_count *count_service(__u32 id)
{
	return bpf_map_lookup_elem(&service_counts, &id);
}

#endif

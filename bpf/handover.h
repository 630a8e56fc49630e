/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* What was chosen for a flow, from ingress to steer, and from a SYN to the cookie that comes back. */
#ifndef LB_HANDOVER_H
#define LB_HANDOVER_H

#include "maps.h"

/* An element is read and written whole, as one word, so that no half of another's is ever seen. */
union handover_word {
	struct lb_handover entry;
	__u64 word;
};

static __always_inline __u64 *handover_find(__u64 hash)
{
	__u32 index = hash & (LB_HANDOVER_ENTRIES - 1);

	return bpf_map_lookup_elem(&handover, &index);
}

static __always_inline void handover_write(__u64 hash, __u16 backend, enum lb_handover_state state)
{
	union handover_word mine = {
		.entry = {.signature = hash >> 32, .backend = backend, .state = state},
	};
	__u64 *slot = handover_find(hash);

	if (slot)
		*(volatile __u64 *)slot = mine.word;
}

/* False: it is another flow's, or nobody's. */
static __always_inline bool handover_read(__u64 hash, struct lb_handover *entry)
{
	__u64 *slot = handover_find(hash);
	union handover_word found;

	if (!slot)
		return false;
	found.word = *(volatile __u64 *)slot;
	*entry = found.entry;
	return entry->signature == hash >> 32;
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What was chosen for a flow, from ingress to steer (`handover`), and from a SYN to the cookie that comes
 * back (`cookies`).
 */
#ifndef LB_HANDOVER_H
#define LB_HANDOVER_H

#include "maps.h"

/* An element is read and written whole, as one word, so that no half of another's is ever seen. */
union handover_word {
	struct lb_handover entry;
	__u64 word;
};

static __always_inline __u64 handover_word(__u64 hash, __u16 pool, __u16 backend)
{
	union handover_word mine = {
		.entry = {.signature = hash >> 32, .pool = pool, .backend_plus_1 = backend + 1},
	};

	return mine.word;
}

/* The backend of this flow and pool in an element; -1: it is another's, or nobody's. */
static __always_inline int handover_backend(__u64 word, __u64 hash, __u16 pool)
{
	union handover_word found = {.word = word};

	if (found.entry.signature != (__u32)(hash >> 32) || found.entry.pool != pool)
		return -1;
	return (int)found.entry.backend_plus_1 - 1;
}

static __always_inline __u64 *handover_find(__u64 hash)
{
	__u32 zero = 0;
	struct handover *table = bpf_map_lookup_elem(&handover, &zero);

	return table ? &table->words[hash & (LB_HANDOVER_ENTRIES - 1)] : NULL;
}

static __always_inline void handover_write(__u64 hash, __u16 pool, __u16 backend)
{
	__u64 *slot = handover_find(hash);

	if (slot)
		*(volatile __u64 *)slot = handover_word(hash, pool, backend);
}

/* To be used once. */
static __always_inline int handover_take(__u64 hash, __u16 pool)
{
	__u64 *slot = handover_find(hash);
	int backend;

	if (!slot)
		return -1;
	backend = handover_backend(*(volatile __u64 *)slot, hash, pool);
	if (backend >= 0)
		*(volatile __u64 *)slot = 0;
	return backend;
}

#endif

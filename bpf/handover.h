/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * What was chosen for a flow, from ingress to steer (`handover`), and from a SYN to the cookie that comes
 * back (`cookies`).
 *
 * DANGER: an element may be left by a flow that never came to steer, and it outlives lbd.  So it says when
 * it was written, and steer asks all else anew: see steer_deliver().
 */
#ifndef LB_HANDOVER_H
#define LB_HANDOVER_H

#include "maps.h"

/* An element is read and written whole, as one word, so that no half of another's is ever seen. */
union handover_word {
	struct lb_handover entry;
	__u64 word;
};

/* With the time's upper bits in it: the lower ones alone would come again after a minute. */
static __always_inline __u32 handover_signature(__u64 hash, __u64 time)
{
	return (__u32)(hash >> 32) ^ (__u32)(time >> 16);
}

/* In what unit the time is, the table says. */
static __always_inline __u64 handover_word(__u64 hash, __u16 backend, __u64 time)
{
	union handover_word mine = {
		.entry = {.signature = handover_signature(hash, time),
			  .time = time,
			  .backend_plus_1 = backend + 1},
	};

	return mine.word;
}

/* The backend in this flow's element; -1: it is another's, nobody's, or older than so much. */
static __always_inline int handover_backend(__u64 word, __u64 hash, __u64 now, __u16 oldest)
{
	union handover_word found = {.word = word};
	__u16 age = (__u16)now - found.entry.time;

	if (age > oldest || found.entry.signature != handover_signature(hash, now - age))
		return -1;
	return (int)found.entry.backend_plus_1 - 1;
}

static __always_inline __u64 *handover_find(__u64 hash)
{
	__u32 zero = 0;
	struct handover *table = bpf_map_lookup_elem(&handover, &zero);

	return table ? &table->words[hash & (LB_HANDOVER_ENTRIES - 1)] : NULL;
}

static __always_inline void handover_write(__u64 hash, __u16 backend)
{
	__u64 *slot = handover_find(hash);

	if (slot)
		*(volatile __u64 *)slot = handover_word(hash, backend, bpf_jiffies64());
}

/* To be used once. */
static __always_inline int handover_take(__u64 hash, __u16 oldest)
{
	__u64 *slot = handover_find(hash);
	int backend;

	if (!slot)
		return -1;
	backend = handover_backend(*(volatile __u64 *)slot, hash, bpf_jiffies64(), oldest);
	if (backend >= 0)
		*(volatile __u64 *)slot = 0;
	return backend;
}

#endif

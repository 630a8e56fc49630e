/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* pick.h over the maps, and the hand-over of its result from ingress to steer. */
#ifndef LB_CHOOSE_H
#define LB_CHOOSE_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "count.h"
#include "flow.h"
#include "kernel.h"
#include "maps.h"
#include "pick.h"

/* Ingress and steer must agree on it, and hosts that share an address. */
__weak const volatile __u64 hash_seed = 0;

struct pick_source {
	void *ring; /* map, or NULL */
	bool is_v6;
};

static __always_inline struct lb_backend *choose_enabled(__u32 id)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	return backend && backend->flags & LB_BACKEND_ENABLED ? backend : NULL;
}

/* Once, until lbd has written the backend anew: a worker that accepts nothing is lbd's business. */
static __always_inline void choose_tell_full(struct lb_backend *backend, __u32 id, bool is_v6)
{
	struct lb_event event = {
		.type = LB_QUEUE_FULL,
		.backend = id,
		.is_v6 = is_v6,
		.generation = backend->generation,
	};

	if (backend->queue_full)
		return;
	backend->queue_full = 1;
	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		count_reason(LB_TRACK_EVENT_LOST);
}

/* The load is the listener's own, read at this moment; a closed listener is not in the map any more. */
static __always_inline bool choose_read_listener(__u32 slot, struct pick_load *load, bool *is_full)
{
	struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &slot);
	struct tcp_sock *tcp;
	bool found = false;

	if (!listener)
		return false;
	tcp = bpf_skc_to_tcp_sock(listener);
	if (tcp) {
		load->queue = tcp->inet_conn.icsk_inet.sk.sk_ack_backlog;
		*is_full = load->queue > tcp->inet_conn.icsk_inet.sk.sk_max_ack_backlog;
		load->connections = tcp->inet_conn.icsk_accept_queue.qlen.counter;
		found = true;
	}
	bpf_sk_release(listener);
	return found;
}

static __always_inline bool pick_look(struct pick_source *source, __u16 backend,
				      struct pick_load *load)
{
	struct lb_backend *settings = choose_enabled(backend);
	struct lb_load *counted;
	bool is_full = false;
	__u32 id = backend;

	if (!settings || !choose_read_listener(LB_LISTENER(id, source->is_v6), load, &is_full))
		return false;
	if (is_full)
		choose_tell_full(settings, id, source->is_v6);
	counted = bpf_map_lookup_elem(&loads, &id);
	if (!counted)
		return false;
	load->connections += counted->active;
	load->max_connections = settings->max_connections;
	load->weight = settings->weight;
	return true;
}

static __always_inline __u16 pick_ring(struct pick_source *source, __u32 place)
{
	__u32 index = place / LB_RING_PER_CHUNK;
	struct lb_ring_chunk *chunk;

	if (!source->ring)
		return LB_BACKEND_NONE;
	chunk = bpf_map_lookup_elem(source->ring, &index);
	return chunk ? chunk->backends[place % LB_RING_PER_CHUNK] : LB_BACKEND_NONE;
}

static __always_inline __u64 choose_turn(__u32 pool)
{
	__u64 *cursor = bpf_map_lookup_elem(&cursors, &pool);

	return cursor ? __sync_fetch_and_add(cursor, 1) : 0;
}

static __always_inline __u64 choose_hash(const struct flow *flow)
{
	return flow_hash(flow, hash_seed);
}

/* 0, which the verifier cannot know: it may be written to. */
static volatile __u32 choose_zero;

/*
 * The verifier of Linux 6.1 follows a callback once, from the values that it is started with, and removes
 * the code that is not reached so: that of every later turn.  Hence it is shown none.
 */
static __always_inline void choose_hide(struct pick *pick)
{
	__u32 zero = choose_zero;

	pick->wanted += zero;
	pick->tied = zero;
	pick->best += zero;
	pick->load = (struct pick_load){zero, zero, zero, zero};
}

/* A callback, so that the verifier looks at one turn and not at the paths through all of them. */
static long choose_step(__u32 i, void *pick)
{
	return pick_step(pick, i);
}

/* A backend's id, or a PICK_* below 0. */
static __always_inline int choose(__u32 id, const struct flow *flow, __u64 hash)
{
	struct pick_source source = {.is_v6 = flow->is_v6};
	struct pick pick = {.source = &source, .hash = hash};

	pick.pool = bpf_map_lookup_elem(&pools, &id);
	if (!pick.pool)
		return PICK_NO_BACKEND;
	if (pick.pool->scheduler == LB_ROUND_ROBIN)
		pick.turn = choose_turn(id);
	else if (pick.pool->scheduler == LB_SOURCE_HASH)
		pick.hash = flow_hash_client(flow, hash_seed);
	pick_start(&pick);
	choose_hide(&pick);
	if (pick.probes)
		source.ring = bpf_map_lookup_elem(&rings, &id);
	bpf_loop(PICK_CANDIDATES, choose_step, &pick, 0);
	return pick.best;
}

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

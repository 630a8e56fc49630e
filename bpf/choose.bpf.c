// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * choose: choice.h over the maps.  A function of its own, that ingress and steer call: the verifier goes
 * through it once, knowing nothing of its callers.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "backend.h"
#include "choice.h"
#include "count.h"
#include "flow.h"
#include "kernel.h"

struct choice_source {
	void *ring; /* map, or NULL */
	bool is_v6;
};

/*
 * Linux 6.2 and later cast a pointer by nothing, where earlier ones call a helper.  The kernel names its
 * special kfuncs in an enumeration; where this name is missing, the verifier never comes to the call.
 */
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;

enum special_kfunc_type___kernel { KF_bpf_rdonly_cast___kernel = 1 };

static __always_inline struct tcp_sock *choose_tcp(struct bpf_sock *listener)
{
	if (bpf_core_enum_value_exists(enum special_kfunc_type___kernel,
				       KF_bpf_rdonly_cast___kernel))
		return bpf_rdonly_cast(listener, bpf_core_type_id_kernel(struct tcp_sock));
	return bpf_skc_to_tcp_sock(listener);
}

/*
 * Once, until lbd has written the backend anew: a worker that accepts nothing is lbd's business.  It is
 * rare, hence not a part of every candidate's code; and not static, as the verifier goes through a static
 * function anew at each call, in each state that it comes with: so it did half of its work here.
 */
__noinline int choose_tell_full(__u32 id, __u32 is_v6)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct lb_event event = {.type = LB_QUEUE_FULL, .backend = id, .is_v6 = is_v6};

	if (!backend || backend->queue_full)
		return 0;
	backend->queue_full = 1;
	event.generation = backend->generation;
	if (bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		count_reason(LB_TRACK_EVENT_LOST);
	return 0;
}

/* The load is the listener's own, read at this moment; a closed listener is not in the map any more. */
static __always_inline bool choose_read_load(__u32 id, bool is_v6, struct choice_load *load,
					     bool *is_full)
{
	struct lb_load *counted = bpf_map_lookup_elem(&loads, &id);
	struct bpf_sock *listener = backend_listener(LB_LISTENER(id, is_v6));
	struct tcp_sock *tcp;
	bool found = false;

	if (!listener)
		return false;
	tcp = choose_tcp(listener);
	if (tcp && counted) {
		load->queue = tcp->inet_conn.icsk_inet.sk.sk_ack_backlog;
		*is_full = load->queue > tcp->inet_conn.icsk_inet.sk.sk_max_ack_backlog;
		load->connections = backend_connections(tcp, counted);
		found = true;
	}
	bpf_sk_release(listener);
	return found;
}

static __always_inline bool choice_look(struct choice_source *source, __u16 backend,
					struct choice_load *load)
{
	struct lb_backend *settings = backend_enabled(backend);
	bool is_full = false;
	__u32 id = backend;

	if (!settings || !choose_read_load(id, source->is_v6, load, &is_full))
		return false;
	if (is_full)
		choose_tell_full(id, source->is_v6);
	load->max_connections = settings->max_connections;
	load->weight = settings->weight;
	return true;
}

static __always_inline __u16 choice_ring(struct choice_source *source, __u32 place)
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

/* 0, which the verifier cannot know: it may be written to. */
static volatile __u32 choose_zero;

/*
 * What the verifier must not know of a step when it looks at the next.  Each thing that it knows makes one
 * more state to go through all that follows with, and that is most of the time of a start.  And that of
 * Linux 6.1 follows a callback once, from the values that it is started with, and removes the code that is
 * not reached so: that of every later turn.
 */
static __always_inline void choose_hide(struct choice *choice)
{
	__u32 zero = choose_zero;

	choice->wanted += zero;
	choice->tied += zero;
	choice->best += zero;
	choice->load.queue += zero;
	choice->load.connections += zero;
	choice->load.weight += zero;
}

/* A callback, so that the verifier looks at one turn and not at the paths through all of them. */
static long choose_step(__u32 i, void *choice)
{
	return choice_step(choice, CHOICE_AHEAD + i);
}

static __always_inline __u64 choose_hash_client(__u64 first, __u64 second)
{
	const struct lb_seed *seed = seed_of_flows();

	return seed ? flow_hash_client(first, second, seed) : 0;
}

/*
 * Whoever ends without a warning is missed here before lbd has heard of it.  The sink ends with lbd: who would start
 * that one again, lives.
 */
static __always_inline int choose_nobody(const struct lb_pool *pool, bool is_v6)
{
	__u32 flag = is_v6 ? LB_POOL_RESTARTED_V6 : LB_POOL_RESTARTED_V4;
	struct bpf_sock *sink = NULL;

	if (pool->flags & flag)
		sink = backend_listener(LB_SINK(is_v6));
	if (!sink)
		return CHOICE_NO_BACKEND;
	bpf_sk_release(sink);
	return CHOICE_DEFER;
}

static __always_inline void choose_walk(struct choice *choice)
{
	for (__u32 i = 0; i < CHOICE_AHEAD; i++) {
		if (choice_step(choice, i))
			return;
		choose_hide(choice);
	}
	bpf_loop(CHOICE_CANDIDATES - CHOICE_AHEAD, choose_step, choice, 0);
}

int choose(__u32 id, __u64 hash, __u64 client_first, __u64 client_second, __u32 is_v6)
{
	struct choice_source source = {.is_v6 = is_v6};
	struct choice choice = {.source = &source, .hash = hash};

	choice.pool = bpf_map_lookup_elem(&pools, &id);
	if (!choice.pool)
		return CHOICE_NO_BACKEND;
	if (choice.pool->scheduler == LB_ROUND_ROBIN)
		choice.turn = choose_turn(id);
	else if (choice.pool->scheduler == LB_SOURCE_HASH)
		choice.hash = choose_hash_client(client_first, client_second);
	choice_start(&choice);
	if (choice.probes)
		source.ring = bpf_map_lookup_elem(&rings, &id);
	choose_walk(&choice);
	return choice.best == CHOICE_NO_BACKEND ? choose_nobody(choice.pool, is_v6) : choice.best;
}

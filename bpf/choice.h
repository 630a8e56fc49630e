/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The choice of a backend, in pure integers: ingress and steer inline it, the unit tests compile it
 * with gcc.  What it has to look up, the includer supplies in two functions, declared below.
 *
 * Every scheduler is the same walk: candidates in an order that the scheduler names, until enough of
 * them were eligible; the least loaded of those is it.  maglev, source_hash and round_robin want one,
 * random two, least_load eight, or all of a small pool.  Candidates come from places in the ring, and in
 * a small pool, after those, from its members, so that a single live one is always found.
 */
#ifndef LB_CHOICE_H
#define LB_CHOICE_H

#include <stdbool.h>

#include "choice_result.h"
#include "lb/abi.h"

enum {
	CHOICE_BEST_OF = 8,      /* least_load in a large pool */
	CHOICE_PROBES = 64,      /* places in the ring of a large pool */
	CHOICE_PROBES_SMALL = 4, /* then its members are gone through */
	CHOICE_CANDIDATES = CHOICE_PROBES + LB_POOL_MEMBERS,
	CHOICE_AHEAD = 4, /* so many are looked at without a callback's cost */
};

struct choice_load {
	__u32 queue;           /* connections that wait for accept(2) */
	__u32 connections;     /* established ones and handshakes */
	__u32 max_connections; /* 0: no limit */
	__u32 weight;
};

struct choice_source;

/* False: it may not be chosen, or has no listener. */
static __always_inline bool choice_look(struct choice_source *source, __u16 backend,
					struct choice_load *load);
/* LB_BACKEND_NONE when there is no such place. */
static __always_inline __u16 choice_ring(struct choice_source *source, __u32 place);

/* Murmur-like: all bits of both depend on all bits of the result. */
static __always_inline __u32 choice_mix(__u32 hash, __u32 i)
{
	__u64 x = (hash + (__u64)i * 0x9e3779b97f4a7c15ULL) * 0xd6e8feb86659fd93ULL;

	x ^= x >> 32;
	x *= 0x9fb21c651e98df25ULL;
	return x >> 32;
}

/* 0..n-1 from a uniform hash: a product for a division (Lemire, TOMACS 2019). */
static __always_inline __u32 choice_scale(__u32 hash, __u32 n)
{
	return (__u64)hash * n >> 32;
}

static __always_inline __u32 choice_place(const struct lb_pool *pool, __u32 hash, __u64 turn,
					  __u32 i)
{
	if (i)
		return choice_scale(choice_mix(hash, i), pool->ring_entries);
	if (pool->scheduler == LB_ROUND_ROBIN)
		return turn % pool->ring_entries;
	return choice_scale(hash, pool->ring_entries);
}

/* <0: a has less load for its weight than b, 0: as much. */
static __always_inline int choice_compare(const struct choice_load *a, const struct choice_load *b)
{
	__u64 left = (__u64)a->queue * b->weight, right = (__u64)b->queue * a->weight;

	if (left == right) {
		left = (__u64)a->connections * b->weight;
		right = (__u64)b->connections * a->weight;
	}
	return left < right ? -1 : left > right;
}

static __always_inline bool choice_is_full(const struct choice_load *load)
{
	return choice_is_at_limit(load->connections, load->max_connections);
}

static __always_inline __u32 choice_wanted(const struct lb_pool *pool)
{
	__u32 wanted = 1;

	if (pool->scheduler == LB_LEAST_LOAD)
		wanted = pool->count <= LB_POOL_MEMBERS ? LB_POOL_MEMBERS : CHOICE_BEST_OF;
	else if (pool->scheduler == LB_RANDOM)
		wanted = 2;
	return wanted < pool->count ? wanted : pool->count;
}

static __always_inline __u32 choice_probes(const struct lb_pool *pool)
{
	if (!pool->ring_entries)
		return 0;
	if (pool->count > LB_POOL_MEMBERS)
		return CHOICE_PROBES;
	return pool->scheduler == LB_LEAST_LOAD ? 0 : CHOICE_PROBES_SMALL;
}

/* Member i of a small pool, beginning where the hash says. */
static __always_inline __u16 choice_member(const struct lb_pool *pool, __u32 hash, __u32 i)
{
	__u32 member = choice_scale(hash, pool->count) + i;

	if (member >= pool->count)
		member -= pool->count;
	return pool->members[member & (LB_POOL_MEMBERS - 1)];
}

/* Of one choice.  Start, step until it says so or CHOICE_CANDIDATES times, read `best`. */
struct choice {
	struct choice_source *source;
	const struct lb_pool *pool;
	__u64 turn; /* of round_robin */
	__u32 hash;
	__u32 probes;            /* the first so many candidates come from the ring */
	__u32 wanted;            /* eligible ones still to be seen */
	__u32 tied;              /* shares of those as good as the best */
	int best;                /* id, or what of CHOICE_* it comes to */
	struct choice_load load; /* the best one's */
};

static __always_inline void choice_start(struct choice *p)
{
	p->probes = choice_probes(p->pool);
	p->wanted = choice_wanted(p->pool);
	p->tied = 0;
	p->best = p->pool->flags & LB_POOL_DEFER ? CHOICE_DEFER : CHOICE_NO_BACKEND;
}

/*
 * Equal loads are told apart by the hash.  Members of a small pool win in proportion to their weight:
 * each in its turn replaces the ones before it with probability weight / (sum of weights so far).  Of
 * those from the ring the first stays: the ring, where a heavy one is met more often, has drawn it.
 */
static __always_inline bool choice_is_better(struct choice *p, __u16 backend,
					     const struct choice_load *load)
{
	int order = p->best >= 0 ? choice_compare(load, &p->load) : -1;
	__u32 share = p->probes ? 0 : load->weight;

	if (order > 0)
		return false;
	p->tied = order < 0 ? share : p->tied + share;
	return order < 0 || choice_scale(choice_mix(p->hash, backend), p->tied) < share;
}

/* Looks at candidate i; true: done. */
static __always_inline bool choice_step(struct choice *p, __u32 i)
{
	struct choice_load load;
	__u16 backend;

	if (i < p->probes)
		backend = choice_ring(p->source, choice_place(p->pool, p->hash, p->turn, i));
	else if (p->pool->count <= LB_POOL_MEMBERS && i - p->probes < p->pool->count)
		backend = choice_member(p->pool, p->hash, i - p->probes);
	else
		return true;
	if (backend == p->best || !choice_look(p->source, backend, &load))
		return false;
	if (choice_is_full(&load)) {
		if (p->best < 0)
			p->best = CHOICE_MAX_CONNECTIONS;
		return false;
	}
	if (choice_is_better(p, backend, &load)) {
		p->best = backend;
		p->load = load;
	}
	return !--p->wanted;
}

#endif

/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * All maps.  Each program's object defines those that it sees; being weak they become one when the
 * objects are linked.  Keys and values: lb/abi.h.
 */
#ifndef LB_MAPS_H
#define LB_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "lb/abi.h"

#define LB_MAP __weak SEC(".maps")

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_MAX_LISTENS);
	__type(key, struct lb_endpoint);
	__type(value, struct lb_service);
} services LB_MAP;

struct service_ports {
	__u8 flags[LB_PORTS];
};

/* Most packets are for no service, or of a connection already: one byte says so before any look-up. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct service_ports);
} service_ports LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct lb_pool);
} pools LB_MAP;

/*
 * A ring of its own size for each pool: lbd writes its entries in place through a mapping, and swaps in
 * a larger one when it outgrows its room.  The flags of every inner map must be these.
 */
struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(key_size,
	       sizeof(__u32)); /* sizes: the linker of libbpf 1.1 loses an inner map's types */
	__uint(value_size, sizeof(struct lb_ring_chunk));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LB_MAX_SERVICES);
	__type(key, __u32);
	__array(values, struct ring);
} rings LB_MAP;

/* Turns taken, of round_robin. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u64);
} cursors LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct lb_backend);
} backends LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct lb_load);
} loads LB_MAP;

/* A listener's bound address to the backend's id, and who may listen there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LB_MAX_BACKENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_endpoint);
	__type(value, struct lb_backend_id);
} backend_ids LB_MAP;

/* The control group of each running worker: what proves that a socket is its own, and that it may have /dev/fuse. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * LB_MAX_BACKENDS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct lb_worker);
} workers LB_MAP;

/* Values of 8 bytes, so that lbd may look up which socket is there by its cookie. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, LB_LISTENERS_ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} listeners LB_MAP;

/* Tags of sockets.  Its name is its pin's, by which the next version of lbd takes it over: it stays. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct lb_tag);
} owners LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_seed);
} seeds LB_MAP;

struct handover {
	__u64 words[LB_HANDOVER_ENTRIES]; /* struct lb_handover */
};

/*
 * From ingress to steer: on the same CPU, a few packets later.  One value and no element for each: those
 * of a per-CPU array are reached through a pointer each, which is one more cold line.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct handover);
} handover LB_MAP;

/* From a SYN to the ACK of its cookie: a round trip later, on whatever CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LB_COOKIE_ENTRIES);
	__type(key, __u32);
	__type(value, struct lb_handover);
} cookies LB_MAP;

/* When something was last written to `cookies`, in jiffies and to a second; 0: never. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} cookies_written LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LB_MAX_ACL);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_acl_key);
	__type(value, __u8);
} acl LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LB_MAX_LOCALS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lb_local_key);
	__type(value, __u8);
} locals LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_locals_at_hand);
} locals_at_hand LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct lb_service_count);
} service_counts LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_REASON_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} reasons LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LB_EVENTS_BYTES);
} events LB_MAP;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_meta);
} meta LB_MAP;

/* NULL: never, of an array's first element. */
static __always_inline const struct lb_seed *seed_of_flows(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&seeds, &zero);
}

#endif

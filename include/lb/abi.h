/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * The contract between the BPF programs and lbd: every map key, value, counter and event record, and
 * nothing else.  Fixed-width types, explicit padding, the byte order named per field.
 *
 * Addresses are 16 bytes, IPv4 as v4-mapped (RFC 4291, 2.5.5.2), so that nothing after the parser
 * branches on the IP version.  "Any" is 0.0.0.0 (::ffff:0.0.0.0) for IPv4 and :: for IPv6.
 *
 * Bump LB_ABI_VERSION when the layout or the meaning of anything here changes: an lbd adopts pinned
 * maps of its own version only.
 */
#ifndef LB_ABI_H
#define LB_ABI_H

#include <linux/types.h>

enum {
	LB_ABI_VERSION = 3,

	LB_MAX_SERVICES = 512, /* also pools: each service has one */
	LB_MAX_LISTENS = 4096, /* addresses of all services together */
	LB_MAX_BACKENDS = 4096,
	LB_MAX_ACL = 8192,
	LB_MAX_LOCALS = 16384,      /* addresses and prefixes of the host */
	LB_LOCALS_AT_HAND = 8,      /* of each family */
	LB_POOL_MEMBERS = 16,       /* pools up to this size are looked at whole */
	LB_RING_MAX = 65537,        /* entries of the largest ring, a prime */
	LB_RING_PER_CHUNK = 4,      /* array values are padded to 8 bytes: four entries in each */
	LB_HANDOVER_ENTRIES = 1024, /* of each CPU; small, that they stay in its first cache */
	LB_COOKIE_ENTRIES = 65536,
	LB_COOKIE_USED =
		0x8000, /* in backend_plus_1, of `cookies` alone: it has been brought back */
	LB_EVENTS_BYTES = 65536, /* a power of two, whole pages */
	LB_BACKEND_NONE = 0xffff,
};

struct lb_addr {
	union {
		__u8 bytes[16]; /* network order */
		__be32 words[4];
	};
};

/* Key of `services` (what clients connect to) and of `backend_ids` (what a listener is bound to). */
struct lb_endpoint {
	struct lb_addr addr;
	__be16 port;
	__u8 protocol; /* IPPROTO_TCP */
	__u8 pad;
};

enum lb_service_flags {
	LB_SERVICE_ACL = 1U << 0,          /* look the client up in `acl` */
	LB_SERVICE_DEFAULT_DENY = 1U << 1, /* what no rule names is refused */
};

/* Value of `services`, the same for each address that a service listens on. */
struct lb_service {
	__u16 id;   /* index of `service_counts` */
	__u16 pool; /* index of `pools`, `rings`, `cursors` */
	__u32 flags;
};

enum lb_scheduler {
	LB_LEAST_LOAD,
	LB_MAGLEV,
	LB_ROUND_ROBIN,
	LB_RANDOM,
	LB_SOURCE_HASH,
	LB_SCHEDULERS,
};

enum lb_pool_flags {
	LB_POOL_DEFER = 1U << 0, /* while nobody can be chosen: drop a SYN, do not refuse it */
	/* The same to clients of one family, but only while there is its LB_SINK: lbd lives. */
	LB_POOL_RESTARTED_V4 = 1U << 1,
	LB_POOL_RESTARTED_V6 = 1U << 2,
};

/*
 * Value of `pools`.  `members` are the backends that may be chosen when there are no more than
 * LB_POOL_MEMBERS of them; else the ring names the candidates.  A ring's entries are ids of backends,
 * each as often as its weight says.  Ring of maglev, source_hash: Maglev's table; of the others: a
 * weighted sequence, interleaved evenly.  A pool of one to LB_POOL_MEMBERS backends under least_load
 * needs no ring.
 */
struct lb_pool {
	__u32 scheduler;    /* enum lb_scheduler */
	__u32 count;        /* backends that may be chosen */
	__u32 ring_entries; /* 0: no ring */
	__u32 flags;        /* enum lb_pool_flags */
	__u16 members[LB_POOL_MEMBERS];
};

/* Element of the maps in `rings`. */
struct lb_ring_chunk {
	__u16 backends[LB_RING_PER_CHUNK];
};

enum lb_backend_flags {
	LB_BACKEND_ENABLED = 1U << 0, /* may be chosen, if a listener is there */
};

/* Value of `backends`, written by lbd. */
struct lb_backend {
	__u32 generation; /* tells two users of one id apart */
	__u16 weight;     /* 1..1000; effective, i.e. after slow start */
	__u16 flags;
	__u32 max_connections; /* 0: no limit */
	__u16 pool; /* its own: what was chosen earlier for another one is not delivered to it */
	__u16 queue_full; /* 1: LB_QUEUE_FULL has been sent; by the kernel side, lbd writes 0 */
};

enum lb_backend_id_flags {
	/*
	 * lbd supervises it, or the one that was there before and has not ended: only what `workers` names listens
	 * there
	 */
	LB_ID_WORKER = 1U << 0,
	LB_ID_MAKER = 1U << 1, /* only a socket that this user made is its listener */
};

/*
 * Value of `backend_ids`: whose the listener bound to exactly this address is.  Who may listen is a part
 * of it, since any local user may bind to an address whose process has died.
 */
struct lb_backend_id {
	__u16 backend;
	__u16 flags;
	__u32 maker;  /* uid, with LB_ID_MAKER */
	__u32 denied; /* 1: LB_LISTENER_DENIED has been sent; by the kernel side, lbd writes 0 */
};

enum lb_worker_flags {
	LB_WORKER_FUSE = 1U << 0, /* what is right in the group may open /dev/fuse */
};

/*
 * Value of `workers`, whose key is the id of a control group (v2): a socket that was made in that group
 * or below, and listens on the worker's port at the worker's address, at any address, or at the
 * loopback address of the other family, is the backend's listener.  lbd writes it before the worker's
 * program runs and makes a new group for each process, so that none before or after it is meant.
 */
struct lb_worker {
	struct lb_endpoint endpoint;
	__u16 backend;
	__u16 flags;
};

/* Value of `loads`, written by the kernel side; lbd clears it when an id is given out. */
struct lb_load {
	__u32 active; /* established connections, those in the accept queue included */
	__u32 pad;
	__u64 total; /* connections since the id was given out */
};

/* Socket storage of a listener, inherited by the connections that it accepts. */
struct lb_tag {
	__u16 backend;
	__u16 counted; /* 1 in a connection that `loads` counts as active; lbd writes 0 */
	__u32 generation;
};

/* What the iterator inspect_task tells of a process. */
struct lb_task {
	__u64 start_ns; /* after boot */
	__u32 flags;    /* PF_FORKNOEXEC and others of the kernel */
	__u32 unused;
};

/* How many threads of a process the iterator inspect_tables looks at. */
enum { LB_THREADS = 1024 };

/* What it tells of one descriptor table. */
struct lb_table {
	__u32 thread; /* one that has it */
	__u32 slots;  /* for how many descriptors it has room */
};

/* What the iterator inspect_files tells of one descriptor. */
struct lb_descriptor {
	__u32 fd;
	__u32 inode; /* of a socket; 0: it is none */
};

/* Index of `listeners`, a SOCKMAP: a backend may own a listener of each family. */
#define LB_LISTENER(backend, is_v6) ((__u32)(backend)*2 + !!(is_v6))

/*
 * Index of the sink of each family in `listeners`: a listening socket of lbd's own that discards what it
 * gets, because a program of sk_lookup can refuse (a reset) but not drop in silence.  To make one: in a
 * network namespace of its own, where its port is in nobody's way, attach the classic filter
 * { BPF_STMT(BPF_RET | BPF_K, 0) } with SO_ATTACH_FILTER, listen, put it there.  With no sink steer
 * refuses what it should drop.
 */
#define LB_SINK(is_v6)       ((__u32)LB_MAX_BACKENDS * 2 + !!(is_v6))
#define LB_LISTENERS_ENTRIES (LB_MAX_BACKENDS * 2 + 2)

/* `service_ports`: one element, a byte for each port (host order): the kinds of its keys in `services`. */
enum { LB_PORTS = 65536 };
enum lb_port_flags {
	LB_PORT_ADDRESS = 1U << 0, /* an address that is not any */
	LB_PORT_ANY_V4 = 1U << 1,
	LB_PORT_ANY_V6 = 1U << 2,
};

/*
 * Element of `handover`, per CPU, and of `cookies`; indexed by the flow's hash, read and written as one
 * 64-bit word.  What another flow wrote there, or this one long ago, is not followed.
 */
struct lb_handover {
	__u32 signature;      /* the hash's other bits, xor the upper ones of the time */
	__u16 time;           /* its lower bits: jiffies in `handover`, seconds in `cookies` */
	__u16 backend_plus_1; /* 0: none */
};

enum lb_seed_origin {
	LB_SEED_NONE = 0, /* lbd draws one before it attaches anything */
	LB_SEED_DRAWN,
	LB_SEED_CONFIGURED, /* by `hash_seed`: hosts that share it choose alike */
};

/* The one element of `seeds`: what flows are hashed with.  A secret: who knows it can make them collide. */
struct lb_seed {
	__u64 key[2];
	__u32 origin; /* enum lb_seed_origin */
	__u32 pad;
};

enum { LB_ACL_DENY, LB_ACL_ALLOW };

/* Key of `acl`, a longest-prefix trie; the value is one __u8, LB_ACL_*. */
struct lb_acl_key {
	__u32 prefix_bits; /* 32 + bits of the (v4-mapped) address */
	__u16 service;
	__u16 pad;
	struct lb_addr addr;
};

/*
 * Key of `locals`, a longest-prefix trie of what the host has as its own; the value is one __u8, which
 * says nothing.  A destination that is missing costs the choice in ingress alone: steer makes it.
 */
struct lb_local_key {
	__u32 prefix_bits; /* bits of the (v4-mapped) address */
	struct lb_addr addr;
};

/*
 * The one element of `locals_at_hand`: some of the single addresses in `locals`, by is_v6, gone through
 * before the trie is; most hosts have no more that anybody connects to.  :: is no address.
 */
struct lb_locals_at_hand {
	struct lb_addr addrs[2][LB_LOCALS_AT_HAND];
};

/* Element of `service_counts`, per CPU. */
struct lb_service_count {
	__u64 connections; /* delivered to a listener */
	__u64 refused;     /* no backend could take it */
	__u64 dropped;     /* all backends at max_connections */
	__u64 deferred;    /* nobody up, somebody on the way: the client sends its SYN again */
	__u64 denied;      /* by the access rules */
};

/*
 * Index of `reasons`, per CPU: every packet that ingress saw and every look-up that steer answered is
 * counted once, here.  Name in counters, then what it means.
 */
#define LB_REASONS(X)                                                                              \
	X(INGRESS_NOT_IP, "ingress_not_ip", "neither IPv4 nor IPv6, passed up")                    \
	X(INGRESS_NOT_TCP, "ingress_not_tcp", "another protocol, passed up")                       \
	X(INGRESS_FRAGMENT, "ingress_fragment", "an IP fragment, passed up to be reassembled")     \
	X(INGRESS_MALFORMED, "ingress_malformed", "cut short or with bad lengths, passed up")      \
	X(INGRESS_NO_SERVICE, "ingress_no_service", "for no service, passed up")                   \
	X(INGRESS_NOT_LOCAL, "ingress_not_local", "for another host's address, passed up")         \
	X(INGRESS_ESTABLISHED, "ingress_established", "not the first segment, passed up")          \
	X(INGRESS_CHOSEN, "ingress_chosen", "a backend chosen and handed over")                    \
	X(INGRESS_NO_BACKEND, "ingress_no_backend", "no backend has a listener, passed up")        \
	X(INGRESS_MAX_CONNECTIONS, "ingress_max_connections", "all backends full, dropped")        \
	X(INGRESS_DEFERRED, "ingress_deferred", "none up yet, one on its way, dropped")            \
	X(INGRESS_DENIED, "ingress_denied", "refused by the access rules, dropped")                \
	X(STEER_NO_SERVICE, "steer_no_service", "for no service, left to the stack")               \
	X(STEER_HANDED_OVER, "steer_handed_over", "delivered as ingress chose")                    \
	X(STEER_CHOSEN, "steer_chosen", "chosen and delivered by steer")                           \
	X(STEER_COOKIE, "steer_cookie", "a SYN cookie's ACK, delivered to its listener")           \
	X(STEER_NO_BACKEND, "steer_no_backend", "no backend has a listener, refused")              \
	X(STEER_MAX_CONNECTIONS, "steer_max_connections", "all full, or a cookie's one, dropped")  \
	X(STEER_DEFERRED, "steer_deferred", "none up yet, one on its way, dropped")                \
	X(STEER_DENIED, "steer_denied", "refused by the access rules, dropped")                    \
	X(STEER_LISTENER_GONE, "steer_listener_gone", "listener closed while chosen, refused")     \
	X(TRACK_EVENT_LOST, "track_event_lost", "an event found no room; lbd looks at all")

enum lb_reason {
#define LB_REASON_ENUM(name, text, meaning) LB_##name,
	LB_REASONS(LB_REASON_ENUM)
#undef LB_REASON_ENUM
		LB_REASON_COUNT,
};

enum lb_event_type {
	LB_LISTENER_OPENED = 1, /* captured at listen(2) */
	LB_LISTENER_CLOSED = 2,
	LB_BACKEND_EMPTY = 3,   /* not enabled, and its last open connection has closed */
	LB_QUEUE_FULL = 4,      /* a choice met it with an accept queue that takes no more */
	LB_LISTENER_DENIED = 5, /* somebody listens at its address who may not */
};

/* Record in `events`, a ring buffer. */
struct lb_event {
	__u32 type; /* enum lb_event_type */
	__u16 backend;
	__u16 is_v6;
	__u32 generation;
	__u32 pad;
};

/* The one element of `meta`: read before anything else is adopted. */
struct lb_meta {
	__u32 abi_version;
	__u32 pad;
};

_Static_assert(sizeof(struct lb_addr) == 16, "abi");
_Static_assert(sizeof(struct lb_endpoint) == 20, "abi");
_Static_assert(sizeof(struct lb_service) == 8, "abi");
_Static_assert(sizeof(struct lb_pool) == 48, "abi");
_Static_assert(sizeof(struct lb_ring_chunk) == 8, "abi");
_Static_assert(sizeof(struct lb_backend) == 16, "abi");
_Static_assert(sizeof(struct lb_backend_id) == 12, "abi");
_Static_assert(sizeof(struct lb_worker) == 24, "abi");
_Static_assert(sizeof(struct lb_load) == 16, "abi");
_Static_assert(sizeof(struct lb_tag) == 8, "abi");
_Static_assert(sizeof(struct lb_descriptor) == 8, "abi");
_Static_assert(sizeof(struct lb_task) == 16, "abi");
_Static_assert(sizeof(struct lb_handover) == 8, "abi");
_Static_assert(sizeof(struct lb_seed) == 24, "abi");
_Static_assert(sizeof(struct lb_acl_key) == 24, "abi");
_Static_assert(sizeof(struct lb_local_key) == 20, "abi");
_Static_assert(sizeof(struct lb_locals_at_hand) == 256, "abi");
_Static_assert(sizeof(struct lb_service_count) == 40, "abi");
_Static_assert(sizeof(struct lb_event) == 16, "abi");
_Static_assert(sizeof(struct lb_meta) == 8, "abi");

#endif

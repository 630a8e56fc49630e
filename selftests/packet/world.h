/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs, loaded and with maps of their own, and what tests do to them.  Helpers fail the running
 * test on errors.  A world may be opened after the other; there is one at a time.
 */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frame.h"
#include "lb.skel.h"
#include "lb/abi.h"

enum { WORLD_SOCKETS = 256, WORLD_BACKLOG = 64 };

extern struct lb *world; /* NULL: none is open */

/* Group and test fixtures.  Closing closes every socket that was made by world_* too. */
int world_open(void **state);
int world_close(void **state);
/* Attaches steer to the namespace, or track to the root cgroup, until the world closes. */
void world_attach_steer(void);
void world_attach_track(void);
bool world_can_track(void); /* there is a cgroup v2 hierarchy */

/*
 * A prefix that the host has for its own, in bits of the v4-mapped address.  Open worlds have loopback's,
 * 192.0.2.0/24 and 2001:db8::/64.
 */
void world_add_own(const char *address, uint32_t bits);
void world_set_at_hand(const char *v4, const char *v6); /* for `locals_at_hand`, and only there */

struct lb_endpoint world_endpoint(const char *address, uint16_t port);

void world_add_service(const char *address, uint16_t port, uint16_t id, uint16_t pool,
		       uint32_t flags);
void world_add_acl(uint16_t service, const char *address, uint32_t bits, uint8_t verdict);
void world_set_pool(uint16_t id, uint32_t scheduler, uint32_t count, const uint16_t *members,
		    uint32_t ring_entries);
void world_set_pool_flags(uint16_t id, uint32_t flags);
void world_set_ring(uint16_t pool, const uint16_t *ring, uint32_t entries);
void world_set_backend(uint16_t id, uint16_t weight, uint16_t flags, uint32_t max_connections);
void world_set_pool_of(uint16_t id, uint16_t pool); /* as world_set_pool() does of each member */
void world_set_generation(uint16_t id, uint32_t generation);
void world_set_active(uint16_t id, uint32_t active);
struct lb_load world_load(uint16_t id);
void world_add_backend_id(const char *address, uint16_t port, uint16_t id);
void world_set_backend_id(const char *address, uint16_t port, struct lb_backend_id value);
struct lb_backend_id world_backend_id(const char *address, uint16_t port);
void world_add_worker(uint64_t group, const char *address, uint16_t port, uint16_t id);
const char *world_cgroup_root(void); /* of version 2; NULL: there is none */

enum { WORLD_V6ONLY = 1, WORLD_REUSEPORT = 2 };

/* A socket that is bound, and one that listens; port 0: any.  */
int world_bind(const char *address, uint16_t port, int flags);
int world_listen(const char *address, uint16_t port, int flags);
/* Put into the slot, as lbd does with a listener that it adopts; the tag too. */
void world_adopt(int fd, uint16_t backend, uint32_t generation, bool is_v6);
void world_set_slot(uint32_t slot, int fd);
bool world_slot_is(uint32_t slot, int fd); /* fd -1: is it empty? */
void world_add_sinks(void);                /* of both families */
/* Made as world_listen() and adopted in the slot of its family; an enabled backend of weight 1. */
int world_add_local(uint16_t backend, const char *address);

/* Connects from client:client_port (0: any).  The socket is non-blocking and so is connect. */
int world_client(const char *client, uint16_t client_port, const char *service, uint16_t port);
/* As that, but never hears an answer: its handshake stays where it is. */
int world_deaf_client(const char *client, uint16_t client_port, const char *service, uint16_t port);
/* 0 when it is established, or the error of connect. */
int world_finish_connect(int fd);
uint16_t world_local_port(int fd);
int world_accept(int listener);          /* waits; -1: nothing came */
bool world_has_connection(int listener); /* to accept, at this moment */
bool world_is_connecting(int fd);        /* no answer yet */
void world_close_socket(int fd);
void world_reset_socket(int fd); /* closes it with a RST */
void world_close_sockets(void);

/* Runs ingress once over the frame's first `length` bytes (0: all). */
int world_run(const struct frame *frame, size_t length);

void world_read_reasons(uint64_t reasons[LB_REASON_COUNT]);
/* Nothing but these was counted since `before`; the last of them is LB_REASON_COUNT. */
void world_expect_reasons(const uint64_t before[LB_REASON_COUNT], const int *reasons);
void world_expect_reason(const uint64_t before[LB_REASON_COUNT], int reason);
struct lb_service_count world_service_count(uint16_t id);

/* The flow's hash; what ingress handed over at its place here, and what is remembered for its cookie. */
uint64_t world_hash(const char *client, uint16_t client_port, const char *service, uint16_t port);
struct lb_handover world_handover(uint64_t hash);
struct lb_handover world_cookie(uint64_t hash);
void world_set_handover(uint64_t hash, struct lb_handover entry); /* on every CPU */
void world_set_cookie(uint64_t hash, struct lb_handover entry);

#endif

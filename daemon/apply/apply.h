/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only writer of what the kernel side chooses by: compares the model with what was published and
 * writes the difference in the order that loses nothing: a backend before the pool and ring that name
 * it, and both before another is disabled, which works at once and may leave nobody else to choose; that
 * clients are to wait, before there is nobody.
 */
#ifndef LB_APPLY_H
#define LB_APPLY_H

#include "model/pool.h"

/* Publishes a backend at once, and its pool and ring at the end of this turn of the loop. */
void apply_backend(struct backend *backend);

/* Writes it whatever is there: what the kernel side has set in it is cleared. */
void apply_backend_anew(struct backend *backend);

/* What the next two wait for on the loop, so that they need nothing more.  -errno. */
int apply_init(struct model *model);

/* Marks a pool whose members or scheduler have changed. */
void apply_pool_later(struct pool *pool);

/* The same where it has one that is coming, and had none, or the other way round: see coming.h. */
void apply_pool_coming(struct pool *pool);

/* Publishes all that is marked now; what cannot be written is said, and tried again until it can. */
void apply_now(struct model *model);

/* What the kernel side had in a new backend's places. */
struct apply_before {
	struct lb_backend value;
	struct lb_backend_id id; /* of its address */
	bool has_id;
	bool has_listener[2]; /* by is_v6 */
};

/* Makes the kernel side know a new backend's address; or takes that back; or forgets an old one's. */
int apply_backend_added(struct backend *backend, struct apply_before *before);
void apply_backend_taken_back(struct backend *backend, const struct apply_before *before);
void apply_backend_hidden(struct backend *backend); /* address only: another may have it now */
void apply_backend_removed(struct backend *backend);

/* Who may listen at its address, after a change; the kernel side tells of others anew. */
void apply_backend_id(struct backend *backend);

/* Makes the kernel side know its worker's sockets by their control group; forget them, with its end. */
int apply_worker(struct backend *backend);
void apply_worker_ended(struct backend *backend);

/* Writes a pool that no service names yet. */
int apply_pool_added(struct pool *pool);

/* Room for what the pool of that id is to become, so that writing it cannot fail for want of it. */
int apply_pool_room(const struct pool *pool);

/* Takes a pool's value and ring out of the kernel side. */
void apply_pool_removed(struct pool *pool);

/*
 * Makes services and access rules equal to these; removes what none of them names.  On failure some are
 * written: the same with those before takes it back.
 */
int apply_services(struct model *model, struct service *const *services, size_t count);

#endif

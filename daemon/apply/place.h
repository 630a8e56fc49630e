/* SPDX-License-Identifier: Apache-2.0 */
/* A backend's own places in the kernel side: its value, its address, its worker's control group, its listeners. */
#ifndef LB_APPLY_PLACE_H
#define LB_APPLY_PLACE_H

#include "model/pool.h"

/* What the kernel side had in a new backend's places. */
struct apply_before {
	struct lb_backend value;
	struct lb_backend_id id; /* of its address */
	bool has_id;
	bool has_listener[2]; /* by is_v6 */
	bool is_known;        /* false: it could not be read, and nothing was written */
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

/* For this room; -errno: to be tried again.  Its value is written if it is not what was written last. */
int apply_publish(struct backend *backend, bool enabled);
int apply_write_id(struct backend *backend);
int apply_end_worker(struct backend *backend);

#endif

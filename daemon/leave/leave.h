/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends that have gone from the configuration while their process runs or connections are open.  What
 * leaving means:
 *
 * - It gets no new connection.  Those that are open go on until they end, at most for drain_timeout; then
 *   its process is stopped, and with its end it is forgotten.  All of that by the pool of before, and the
 *   configuration that this holds.
 * - Until then its process is that of one backend, the one that leaves, and so are its record, control group,
 *   output and notify socket, which go by its name ("web:8081"), and its port.
 * - A new backend of that name or port awaits the end: it is not started, has no listener, and its note
 *   says for whom it waits.  Then it is started, if that is still wanted.  DANGER: one without a worker
 *   would take the listener of the process that leaves, and new connections with it, which nobody counts
 *   for who leaves: they would be lost at its end.
 * - The same backend (address and port, with a worker or without one, as it was; and of a worker the pool)
 *   that is configured again meanwhile is the same object, which comes back: undrained, or restarted where
 *   its process runs with other settings or has been told to stop already.
 * - One without a worker that goes from one pool to another does not leave: its number in the kernel side's maps,
 *   and with it its connections, go on in the other.
 * - All of that goes on after a death of lbd, in the time that is left, by leave/record.h.
 * - One without a worker has no process of ours and holds nothing: another has its address at once, and
 *   it only waits for its connections.
 */
#ifndef LB_LEAVE_H
#define LB_LEAVE_H

#include "model/pool.h"

int leave_init(struct model *model);

/* At the start of lbd, before there is a configuration: those that left when the lbd before ended. */
void leave_restore(struct model *model);

/* Takes over a backend that its pool's successor does not have; one with nothing left to end is freed at once. */
void leave_add(struct backend *backend);

/* One that can come back as this backend of a pool of that name, which one without a worker does in any. */
struct backend *leave_find(const struct model *model, const char *pool,
			   const struct conf_backend *conf);

/* It does not leave any more: it is in a pool of the model again, whose backend->pool is the caller's to set. */
void leave_take_back(struct backend *backend);

/* To be called when a backend's state has changed: forgets it if that was the end. */
void leave_changed(struct backend *backend);

/* Their records once more, where the run directory was deleted. */
void leave_mend(const struct model *model);
bool leave_is_lost(const struct model *model); /* one is not there */

/* Frees everything; processes that have not ended run on. */
void leave_free(struct model *model);

#endif

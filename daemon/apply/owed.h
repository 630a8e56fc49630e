/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What could not be put right in the kernel side when it was due: told once, and tried again until it is.
 *
 * DANGER: what the kernel side still knows of a backend that is gone would be taken for the next one's that has its
 * id: clients of that one's pool would come to a process that is not in it.  So such an id is nobody's.
 */
#ifndef LB_APPLY_OWED_H
#define LB_APPLY_OWED_H

#include "model/pool.h"

/* Takes all that is known by this id out of the kernel side; group: control group of its worker, 0: none. */
void owed_forget(struct model *model, uint16_t id, const struct lb_endpoint *endpoint,
		 uint64_t group);

/* The same once; -errno: some of it is still there. */
int owed_hide(struct model *model, uint16_t id, const struct lb_endpoint *endpoint);

/* Something is owed: to be tried again soon. */
void owed_later(struct model *model);

/* At the start: what an lbd before has left there of backends that are no more. */
void owed_forget_stale(struct model *model);

/* Tries again all that is owed. */
void owed_pay(struct model *model);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend's process, as other rooms start and stop it.  When it is restarted and given up the room decides by itself
 * (exit.c, end.c); worker.c does what is decided.
 */
#ifndef LB_BACKEND_PROCESS_H
#define LB_BACKEND_PROCESS_H

#include "backend/backend.h"

/* Another configuration, by which the next process is started. */
void backend_process_set_conf(struct backend *backend);

/* By command: forgets earlier failures, or an order to stop.  -EALREADY: running; -EINVAL: has no worker. */
int backend_process_start_by_hand(struct backend *backend);

/*
 * Spawns now, or when who has its name or port has left (see leave.h); what goes wrong becomes the backend's note and
 * a failure like an exit.
 */
void backend_process_start(struct backend *backend, enum state_event event);

/* Stop signal without draining, towards a goal. */
int backend_process_stop(struct backend *backend, enum backend_goal goal);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, by their names; each is in the file of its noun. */
#ifndef LB_HANDLERS_H
#define LB_HANDLERS_H

#include "verbs/call.h"

/* Returns 0 when it has replied or will, else -errno with call->error set. */
typedef int verb_handler(struct call *call);

verb_handler verb_attach, verb_detach;
verb_handler verb_service, verb_service_add, verb_service_remove;
verb_handler verb_pool, verb_pool_add, verb_pool_remove, verb_pool_drain, verb_pool_undrain;
verb_handler verb_pool_set;
verb_handler verb_worker, verb_worker_start, verb_worker_stop, verb_worker_restart;
verb_handler verb_roll, verb_signal, verb_tail, verb_clear, verb_pid;
verb_handler verb_status, verb_version, verb_reload, verb_reread, verb_save, verb_reexec,
	verb_shutdown;

#endif

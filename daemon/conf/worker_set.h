/* SPDX-License-Identifier: Apache-2.0 */
/* A `worker { }` while it is read, and the setters of its table. */
#ifndef LB_CONF_WORKER_SET_H
#define LB_CONF_WORKER_SET_H

#include "conf/private.h"

/* Milliseconds: 24 days. */
enum { MOST_MS = 0x7fffffff, WORKER_LIMITS = 5 };

/* A worker as its directives come in, and those that others ask for. */
struct worker_draft {
	struct conf_worker worker;
	const struct block *ports, *dual_stack, *backlog, *watchdog;
	const struct block *limits_at[WORKER_LIMITS], *age_at, *memory_at; /* of `recycle` */
	uint32_t restart, readiness, listen;
};

/* Adds to a list that ends in NULL; takes text over, also on failure; NULL is out of memory. */
int conf_add_text(const struct block *at, char ***list, char *text, struct error *error);

conf_setter worker_set_ports, worker_set_address, worker_set_environment,
	worker_set_environment_file, worker_set_exit_codes, worker_set_backoff, worker_set_priority,
	worker_set_nice, worker_set_stdout, worker_set_stderr, worker_set_limit, worker_set_recycle,
	worker_set_before_start, worker_set_after_stop, worker_set_capabilities,
	worker_set_read_only;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The workers that a request means by its member `name`: POOL:PORT, POOL:* or all. */
#ifndef LB_TARGETS_H
#define LB_TARGETS_H

#include "verbs/call.h"

struct targets {
	struct backend *list[LB_MAX_BACKENDS];
	size_t count;
};

/* To be freed.  NULL: there is none; here as below with a line in call->error. */
struct targets *targets_of(struct call *call);

/* A single worker by its name, or NULL. */
struct backend *targets_only(struct call *call);

/* Who leaves cannot be put back to work by a command.  -EPERM where nobody is left. */
int targets_drop_leavers(struct call *call, struct targets *targets);

#endif

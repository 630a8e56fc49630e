/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb changes for clients besides what it was asked for: who asked is warned. */
#ifndef LB_SERVED_H
#define LB_SERVED_H

#include "verbs/call.h"

/* Where the pool has nobody to serve now; was_so: before the command, too.  Takes no pool. */
void served_warn(struct call *call, const struct pool *pool, bool was_so);
/* The same of every pool that is not among those names. */
void served_warn_new(struct call *call, const json_t *before);
/* A verb has made the pool, perhaps by a slip: where no service names it. */
void served_warn_pool(struct call *call, const char *name);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backends that cannot be chosen yet and soon can: workers that are starting or restarted, and what is checked for
 * the first time.  While there is nobody else, the clients of their pool wait instead of being refused
 * (LB_POOL_DEFER): the kernel side drops their SYN, and they send it again.  Where somebody has failed and is not
 * tried again soon, is to stay stopped, or does not listen, nothing is to be waited for.
 */
#ifndef LB_COMING_H
#define LB_COMING_H

#include "model/pool.h"

bool coming_any(const struct pool *pool);

/*
 * One serves clients of that family, and is started again when it ends (LB_POOL_RESTARTED_V4, _V6).  Said beforehand:
 * the kernel closes a listener some milliseconds before its process's end is heard of.
 */
bool coming_after_death(const struct pool *pool, bool is_v6);

#endif

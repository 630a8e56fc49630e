/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When all checks of a pool fail it is more likely that the check is wrong (its path, what it depends on)
 * than that no backend can answer: by default the pool serves on, on those that listen, and lbd says so.
 */
#ifndef LB_ALL_DOWN_H
#define LB_ALL_DOWN_H

#include "model/pool.h"

/* Looks whether that is so, and says what has changed; true where choice_enabled() may differ now. */
bool all_down_look(struct pool *pool);

/* Is it for its check alone that the backend is not up? */
bool all_down_fails(const struct backend *backend);

#endif

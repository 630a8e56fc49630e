/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: only the directories that are served may be read; no TCP connection may be opened. */
#ifndef LBSTATIC_LANDLOCK_H
#define LBSTATIC_LANDLOCK_H

#include "static/site/site.h"

/* With the best ABI that the kernel has; 0 or -errno (-ENOSYS, -EOPNOTSUPP: it has none). */
int landlock_enter(const struct site *site);

#endif

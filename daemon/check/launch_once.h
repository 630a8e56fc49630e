/* SPDX-License-Identifier: Apache-2.0 */
/* Of a pool's workers much is the same: a line that one was warned of is not told again for the next. */
#ifndef LB_LAUNCH_ONCE_H
#define LB_LAUNCH_ONCE_H

#include <stddef.h>

#include "check/verdict.h"

struct launch_once {
	struct launch_warn warn;
	const struct launch_warn *to;
	char **lines;
	size_t count;
};

/* What hands on to `to` each line once, up to launch_once_end(); both are to last until then. */
const struct launch_warn *launch_once_begin(struct launch_once *once, const struct launch_warn *to);
void launch_once_end(struct launch_once *once);

#endif

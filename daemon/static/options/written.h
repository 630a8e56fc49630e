/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that lbstatic writes.  Started as root it opens them as root, before it becomes its user, so that they may
 * be out of that user's reach; what that user, or another one, has planted on their way is refused, by the one
 * rule that lbd has for its own: see place.h.
 */
#ifndef LBSTATIC_WRITTEN_H
#define LBSTATIC_WRITTEN_H

#include "static/ground/fault.h"
#include "static/options/options.h"

/* flags: O_WRONLY or O_RDWR, O_APPEND; it is made (mode 0640) where it is not there.  -errno with fault. */
int written_open(const char *what, const char *path, int flags, const struct options *options,
		 struct fault *fault);

#endif

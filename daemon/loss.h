/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload would take away, where the file most likely does not say what its writer means.  Pure. */
#ifndef LB_LOSS_H
#define LB_LOSS_H

#include "conf.h"
#include "error.h"

/*
 * -EPERM with a line when `to`, read from the file `path`, has no service or no pool any more; or lacks one
 * while an `include` matches no file and a file of `from` is not read any more; likewise a backend, or a listen
 * or access rule, of a block with such an `include`.  -ENOMEM.
 */
int loss_check(const struct conf *from, const struct conf *to, const char *path,
	       struct error *error);

#endif

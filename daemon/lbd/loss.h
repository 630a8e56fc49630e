/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload would take away, where the file most likely does not say what its writer means.  Pure. */
#ifndef LB_LOSS_H
#define LB_LOSS_H

#include "base/error.h"
#include "conf/conf.h"

/*
 * -EPERM with a line when `to`, read from the file `path`, has no service or no pool any more; or when an `include`
 * that brought something in, or is new, matches no file, and a directive of `from` whose file is not read any more
 * stands no longer, by the same words, where it stood.  Of what may be secret the line has the name alone.  -ENOMEM.
 */
int loss_check(const struct conf *from, const struct conf *to, const char *path,
	       struct error *error);

#endif

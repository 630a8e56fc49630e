/* SPDX-License-Identifier: Apache-2.0 */
/* Errors that pass by themselves, or as others let go of what they have: to be waited out, at no loss. */
#ifndef LB_SHORTAGE_H
#define LB_SHORTAGE_H

#include <errno.h>
#include <stdbool.h>

/* err: -errno.  Not ENOSPC: a full disk stays full until somebody comes. */
static inline bool is_shortage(int err)
{
	return err == -EMFILE || err == -ENFILE || err == -ENOMEM || err == -ENOBUFS;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background so that the caller learns whether it worked: daemon(7), SysV daemons. */
#ifndef LB_BACKGROUND_H
#define LB_BACKGROUND_H

#include <stdbool.h>

#include "base/error.h"

/* In the child: returns 0.  The caller's process waits for background_ready() and exits by it. */
int background_enter(struct error *error);

/*
 * failure NULL: started.  True when the caller's process has been told, which prints the failure: not for us to
 * print again on the same terminal.  False in the foreground, and once it was told.
 */
bool background_ready(const char *failure);

#endif

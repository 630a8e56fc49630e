/* SPDX-License-Identifier: Apache-2.0 */
/* Going to the background so that the caller learns whether it worked: daemon(7), SysV daemons. */
#ifndef LB_BACKGROUND_H
#define LB_BACKGROUND_H

#include "error.h"

/* In the child: returns 0.  The caller's process waits for background_ready() and exits by it. */
int background_enter(struct error *error);

/* failure NULL: started.  Nothing in the foreground. */
void background_ready(const char *failure);

#endif

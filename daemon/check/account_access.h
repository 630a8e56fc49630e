/* SPDX-License-Identifier: Apache-2.0 */
/* What the user of a worker may do with a path, as the kernel has it. */
#ifndef LB_ACCOUNT_ACCESS_H
#define LB_ACCOUNT_ACCESS_H

#include "host/process/account.h"

/*
 * access(2) as that account has it, looked at by a child that has become it: no path leads root anywhere.  Its file
 * systems may hold that child up, so that it has one second: for programs that check and end, not for the loop.
 * 0, or -errno; 0 also where it cannot be told, as by who is not root.
 */
int account_access(const struct account *account, const char *path, int mode);

#endif

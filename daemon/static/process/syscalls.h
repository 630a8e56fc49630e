/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp: only the system calls that serving takes; any other fails with EPERM. */
#ifndef LBSTATIC_SYSCALLS_H
#define LBSTATIC_SYSCALLS_H

/* 0 or -errno. */
int syscalls_limit(void);

#endif

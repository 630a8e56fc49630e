/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's process: see keeper.h, whose keeper_end() is here, too. */
#ifndef LB_KEEPER_PROCESS_H
#define LB_KEEPER_PROCESS_H

#include <sys/types.h>

/*
 * Starts it; the socket to it, or -errno.  It has its name and its queue from its first moment on, and nobody else
 * has the name.
 */
int keeper_process_start(const char *instance, const char *run_dir, pid_t *pid);

#endif

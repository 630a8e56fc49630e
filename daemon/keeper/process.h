/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's process: its start, and its end. */
#ifndef LB_KEEPER_PROCESS_H
#define LB_KEEPER_PROCESS_H

#include <sys/types.h>

/*
 * Starts it; the socket to it, or -errno.  It has its name and its queue from its first moment on, and nobody else
 * has the name.
 */
int keeper_process_start(const char *instance, const char *run_dir, pid_t *pid);

struct error;
struct kept_notifies;

/*
 * Ends the one that is there, of whichever lbd: nobody else reads the FIFOs when this returns, but for those that
 * only it had.  A stranger's, and one that cannot end yet, although killed, hinder nothing, after some seconds, and
 * are logged.  given: the notify sockets that it had, NULL where it had none; or NULL: they are not asked for.
 * -errno with a line: it cannot be looked for.  DANGER: where that is for a shortage (shortage.h), which was waited
 * out for some seconds, there may be one, and two that read a FIFO tear what is in it.
 */
int keeper_end(const char *instance, struct kept_notifies **given, struct error *error);

#endif

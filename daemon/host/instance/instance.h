/* SPDX-License-Identifier: Apache-2.0 */
/* An instance's place in the file system, and that only one lbd has it. */
#ifndef LB_INSTANCE_H
#define LB_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

#define LB_LOG_DIR "/var/log/lbd"

/*
 * Checks the name, makes RUNDIR (run_dir: /run/lbd/INSTANCE) and locks it for the life of the process,
 * over exec too; also against one that starts after the directory has been deleted.  -EINVAL: a name that is no file
 * name; -EPERM: not root; -EBUSY: another lbd has it.
 */
int instance_prepare(const char *instance, char *run_dir, size_t size, struct error *error);

/* The directory and its lock once more, where they were deleted under the lbd that holds the instance. */
int instance_make(const char *run_dir, struct error *error);

/* Whether root alone could put anything there. */
int instance_check(const char *run_dir, struct error *error);

/* Makes run_dir of a name, and nothing in the file system: -EINVAL, -EPERM. */
int instance_find(const char *instance, char *run_dir, size_t size, struct error *error);

/* Of another process: the lbd that has the instance; 0: none has, or it is not to be known. */
pid_t instance_pid(const char *instance);

/*
 * Over exec of another lbd in this process: the lock is held on.  instance_hand_on() comes right before
 * exec; instance_handed_on(), once, first of all, tells the new program that it comes after one.
 * control: the descriptor of the control socket goes with it; -1: none.
 */
void instance_hand_on(int control);
bool instance_handed_on(int *control);

/* After an orderly stop, when nothing of it is in use any more: removes all of it.  -errno: something is left. */
int instance_remove(const char *run_dir, const char *cgroup);

#endif

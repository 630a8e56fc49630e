/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By userfaultfd(2) a process decides how long a page fault lasts, also one of a write(2) to its output, and so how
 * long the kernel holds the lock of that FIFO: every read of it, tee(2) and splice(2) wait as long, O_NONBLOCK
 * or not.  See kernel doc admin-guide/mm/userfaultfd.rst for who may.
 */
#ifndef LB_CHECK_HELD_UP_H
#define LB_CHECK_HELD_UP_H

#include "check/verdict.h"
#include "conf/conf.h"

/* The part of conf_warn() that is for who starts with it, too: by what its workers can hold lbd up. */
void conf_warn_held_up(const struct conf *conf, const struct launch_warn *warn);

#endif

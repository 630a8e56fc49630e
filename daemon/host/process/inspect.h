/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another process is and has, read from BPF iterators (kernel doc bpf/bpf_iterators.rst).  Not from /proc: its
 * PID/stat (seen on Linux 6.18), and each link below PID/fd, PID/exe and the like, wait for an execve(2) of that
 * process, which lasts as long as its user likes; PID/status, comm, cgroup, cmdline, statm and fdinfo do not.
 */
#ifndef LB_INSPECT_H
#define LB_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lb/abi.h"

/*
 * Loads the programs, where they are not yet.  Before lbd gives up its capabilities: CAP_BPF and CAP_PERFMON (or
 * CAP_SYS_ADMIN).  0 or -errno.
 */
int inspect_load(void);

/* What a descriptor costs, and a thread: as much as so many slots of a descriptor table that are empty. */
enum { INSPECT_DESCRIPTOR = 32 };

/*
 * Calls each() for the descriptors of a process, as long as it returns true: those of its first thread (`thread` is
 * `pid`), which has none when it has ended by itself, then those of other tables that its first LB_THREADS threads
 * have (some 8 tables).  Danger: who calls waits for it, and any user may have thousands of threads, and room for a
 * million descriptors in a table (RLIMIT_NOFILE) where none is.  So a table is looked at once, whatever threads share
 * it; what it costs, in slots, is taken from *left; and it ends when nothing is left, if not before the end of the
 * table that it is in.  1: all of it was looked at, also of a process that is gone; 0: not all; or -errno.  Loads the
 * programs first where they are to be loaded; the same of inspect_task().
 *
 * Linux 6.1, 6.6 and 6.11 from before November 2024 (commit 9495a5b731fc) tell nothing of other threads' tables.
 */
int inspect_each_descriptor(pid_t pid, uint32_t *left,
			    bool (*each)(void *arg, pid_t thread,
					 const struct lb_descriptor *descriptor),
			    void *arg);

/* 0, -ESRCH, or -errno. */
int inspect_task(pid_t pid, struct lb_task *task);

/* A descriptor to read(2) from, and to close(2): the iterator of that BPF program on that thread alone; or -errno. */
int inspect_iterate(int program, pid_t thread);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What another process is and has, read from BPF iterators (kernel doc bpf/bpf_iterators.rst).  Not from /proc: its
 * PID/stat (seen on Linux 6.18), and each link below PID/fd, PID/exe and the like, wait for an execve(2) of that process, which
 * lasts as long as its user likes; PID/status, comm, cgroup, cmdline, statm and fdinfo do not.
 */
#ifndef LB_INSPECT_H
#define LB_INSPECT_H

#include <sys/types.h>

#include "lb/abi.h"

/*
 * Loads the programs, where they are not yet.  Before lbd gives up its capabilities: CAP_BPF and CAP_PERFMON (or
 * CAP_SYS_ADMIN).  0 or -errno.
 */
int inspect_load(void);

/*
 * A descriptor to read(2) struct lb_descriptor from, as many as are wanted, and to close(2); or -errno: -ESRCH of
 * a process that is gone.  Loads the programs first where they are to be loaded; the same of inspect_task().
 */
int inspect_files(pid_t pid);

/* 0, -ESRCH, or -errno. */
int inspect_task(pid_t pid, struct lb_task *task);

/* The iterator of that BPF program on one process, as of inspect_files(). */
int inspect_iterate(int program, pid_t pid);

#endif

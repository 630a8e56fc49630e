/* SPDX-License-Identifier: Apache-2.0 */
/* When a process began, and how it ended.  The first is told by BPF, see inspect.h. */
#ifndef LB_PROCESS_LIFE_H
#define LB_PROCESS_LIFE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Clock ticks after boot, as /proc/PID/stat has them.  -ESRCH, or -errno. */
int process_start_ticks(pid_t pid, uint64_t *ticks);

/* CLOCK_MONOTONIC, in microseconds, of a start time in ticks. */
uint64_t process_started_us(uint64_t start_ticks);

/* Whether it has executed no program since it was made. */
bool process_is_fork(pid_t pid);

/*
 * The exit status, as of wait(2), of one that is gone: our own child is reaped by this, unless somebody
 * traces it; of others it is known while they are zombies, and afterwards from Linux 6.15 on.  -ENODATA:
 * not to be had.  -EAGAIN: it has not ended.
 */
int process_status(int pidfd, pid_t pid, int *status);

/* Sends signal to every process of the session, 0 just counts; how many there are, those that have ended not. */
unsigned process_signal_session(pid_t session, uint64_t not_before_ticks, int signal);

/* One of those; 0: there is none. */
pid_t process_first_of_session(pid_t session, uint64_t not_before_ticks);

#endif

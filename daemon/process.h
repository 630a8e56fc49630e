/* SPDX-License-Identifier: Apache-2.0 */
/* What /proc and pidfds say of a process, see proc(5).  Stateless. */
#ifndef LB_PROCESS_H
#define LB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
	char state; /* 'Z' is a zombie */
	pid_t parent, group, session;
	uint64_t start_ticks; /* clock ticks after boot */
	uint64_t resident_bytes;
	int exit_code; /* as of wait(2), once it is a zombie */
};

/* -ESRCH: no such process. */
int process_stat(pid_t pid, struct process_stat *stat);

/*
 * Its effective and its real user, each where not NULL; the owner of /proc/PID is neither where it is not
 * dumpable.  -ESRCH.
 */
int process_user(pid_t pid, uid_t *effective, uid_t *real);

/* And nobody else: its real, effective, saved and file system user. */
bool process_is_root(pid_t pid);

/* CLOCK_MONOTONIC, in microseconds, of a start time in ticks. */
uint64_t process_started_us(uint64_t start_ticks);

/* A pidfd, or -errno. */
int process_open(pid_t pid);
int process_signal(int pidfd, int signal);

/*
 * The exit status, as of wait(2), of one that is gone: our own child is reaped by this, unless somebody
 * traces it; of others it is known while they are zombies, and afterwards from Linux 6.15 on.  -ENODATA:
 * not to be had.  -EAGAIN: it has not ended.
 */
int process_status(int pidfd, pid_t pid, int *status);

/*
 * Of one that has got SIGKILL: where it is stopped before its end for who traces it (PTRACE_O_TRACEEXIT in
 * ptrace(2): no further signal helps), that one is killed, if it is of the same user; where that one is held
 * so, too, who traces it as well.  Returns the first's pid, 0: none.  Danger: two that trace each other may both have
 * got SIGKILL, and then neither ever ends.
 */
pid_t process_kill_tracer(pid_t pid);

/* Who traces its first thread, also when it has ended; may be a thread's id; 0: nobody. */
pid_t process_tracer(pid_t pid);

/* Sends signal to every process of the session, 0 just counts; how many there are, zombies not. */
unsigned process_signal_session(pid_t session, uint64_t not_before_ticks, int signal);

#endif

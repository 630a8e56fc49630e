/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc and pidfds say of a process, see proc(5).  Stateless.  Of /proc only what waits for nobody is read, see
 * inspect.h.
 */
#ifndef LB_PROCESS_H
#define LB_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process_stat {
	char state; /* 'Z' is a zombie */
	pid_t parent, group, session;
	uint64_t resident_bytes;
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

/* A pidfd, or -errno. */
int process_open(pid_t pid);
int process_signal(int pidfd, int signal);

/*
 * Of one that has got SIGKILL: where it is stopped before its end for who traces it (PTRACE_O_TRACEEXIT in
 * ptrace(2): no further signal helps), that one is killed, if it is of the same user; where that one is held
 * so, too, who traces it as well.  Returns the first's pid, 0: none.  Danger: two that trace each other may both have
 * got SIGKILL, and then neither ever ends.
 */
pid_t process_kill_tracer(pid_t pid);

/* Who traces its first thread, also when it has ended; may be a thread's id; 0: nobody. */
pid_t process_tracer(pid_t pid);

#endif

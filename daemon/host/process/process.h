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

/*
 * Danger: the first thread may end by itself (pthread_exit(3)) and be a zombie while others serve on, so
 * /proc/PID/status alone does not tell of an end.  Here state is 'Z' or 'X' only where no thread lives.
 */
struct process_stat {
	char state;
	unsigned threads; /* with those that have ended and are traced */
	pid_t thread;     /* whose state it is: the first, or one that lives */
	pid_t parent, group, session;
	uint64_t resident_bytes;
};

/* -ESRCH: no such process. */
int process_stat(pid_t pid, struct process_stat *stat);

/* What it calls itself, printable; "?": not to be known.  Returns name. */
enum { PROCESS_NAME_BYTES = 16 };
const char *process_name(pid_t pid, char name[PROCESS_NAME_BYTES]);

enum { PROCESS_TEXT_BYTES = 64 };

/* Who does not end, and what holds it: "pid 12 (state t, TracerPid 34)".  Returns text. */
const char *process_describe(pid_t pid, char text[PROCESS_TEXT_BYTES]);

/*
 * Its effective and its real user, each where not NULL; the owner of /proc/PID is neither where it is not
 * dumpable.  -ESRCH.
 */
int process_user(pid_t pid, uid_t *effective, uid_t *real);

/* And nobody else: its real, effective, saved and file system user. */
bool process_is_root(pid_t pid);

/* A pidfd, or -errno. */
int process_open(pid_t pid);

/* Of one of its threads, to take descriptors by (pidfd_getfd(2)): but for the first that needs Linux 6.9. */
int process_open_thread(pid_t pid, pid_t thread);
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

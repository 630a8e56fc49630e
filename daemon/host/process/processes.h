/* SPDX-License-Identifier: Apache-2.0 */
/* All processes of /proc, see proc(5), those of one user together. */
#ifndef LB_PROCESSES_H
#define LB_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct processes {
	struct processes_entry {
		uid_t user; /* the real one, see processes_list() */
		pid_t pid;
		bool is_done; /* the caller's; false at first */
	} * list;             /* by user, then by pid */
	size_t count;
};

/*
 * By the real user: a program with the set-user-ID bit that waits for a password is root by its effective one,
 * and holds what it was given.  -errno: nothing is to be freed.
 */
int processes_list(struct processes *processes);
void processes_free(struct processes *processes);

#endif

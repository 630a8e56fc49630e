/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a fork to a program that runs: everything that happens in the child before exec.  The child
 * first waits for spawn_go(), so that the parent can write down who it is; if the parent dies instead,
 * the child ends.  Whatever fails in the child comes back as one line.
 */
#ifndef LB_SPAWN_H
#define LB_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "host/spawn/spec.h"

struct spawn_child {
	pid_t pid;
	int pidfd;
	int go;     /* private to spawn.c */
	int report; /* readable when spawn_result() has news */
};

#define SPAWN_NO_CHILD                                                                             \
	(struct spawn_child)                                                                       \
	{                                                                                          \
		.pidfd = -1, .go = -1, .report = -1                                                \
	}

/* Forks; the child waits in a session of its own, in its cgroup.  -errno with a line. */
int spawn_fork(const struct spawn *spawn, struct spawn_child *child, struct error *error);

/* Lets the child go on. */
void spawn_go(struct spawn_child *child);

/*
 * 0: the program runs, and child->report is closed.  -EAGAIN: not so far within timeout_ms.  Else the
 * step that failed: "command serv.py: No such file or directory"; the child is about to exit then.
 */
int spawn_result(const struct spawn *spawn, struct spawn_child *child, int timeout_ms,
		 struct error *error);

/*
 * Kills and reaps what has been forked, and closes its descriptors.  Danger: it waits.  So only for one that
 * is root's own: before spawn_go(), or a program of lbd's; all else is reaper_take()'s.
 */
void spawn_abandon(struct spawn_child *child);

/*
 * fork, go and result in one; on success only pid and pidfd are left open.  Danger: it waits for the exec,
 * which a lease on the program's file holds up (fcntl(2)): only for programs of lbd's own, as lbd's user.
 */
int spawn_run(const struct spawn *spawn, struct spawn_child *child, struct error *error);

#endif

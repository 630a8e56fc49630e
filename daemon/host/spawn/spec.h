/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be run, and how: as whom, where, with which limits, and what runs before it. */
#ifndef LB_SPAWN_SPEC_H
#define LB_SPAWN_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "host/process/account.h"
#include "host/process/confine.h"

enum { SPAWN_UNSET_NICE = 100, SPAWN_MAX_LISTENERS = 2 };

struct spawn {
	char **argv, **envp;
	char *own_pid[2];      /* places in envp with room for 10 digits and a NUL: LISTEN_PID= and
				  WATCHDOG_PID= want the child's; NULL: none */
	const char *directory; /* NULL: as ours */
	int umask;             /* -1: as ours */
	struct account user;   /* groups are borrowed */
	struct confinement confinement;     /* paths are borrowed */
	uint64_t nofile, core;              /* rlimits; UINT64_MAX leaves them */
	int nice;                           /* SPAWN_UNSET_NICE leaves it */
	int out, err;                       /* become descriptors 1 and 2 */
	int listeners[SPAWN_MAX_LISTENERS]; /* become 3 and 4 */
	unsigned listener_count;
	const char *cgroup; /* directory that the child starts in, or NULL */
	char **hook;        /* words of a program to run before, with the same limits; NULL: none */
	char **hook_envp;
	const char *hook_directory; /* as directory */
	int hook_umask;             /* as umask */
	struct account hook_user;
	bool hook_unconfined; /* it has a user of its own, and is not confined with the program */
	uint32_t hook_timeout_ms;
	bool leashed;  /* dies with lbd: for checks and other short helpers */
	bool no_shell; /* argv[0] is a path, and a file that the kernel cannot execute is an error */
};

#endif

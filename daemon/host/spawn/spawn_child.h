/* SPDX-License-Identifier: Apache-2.0 */
/* The child's half of spawn.c: between fork and exec, with nothing but system calls. */
#ifndef LB_SPAWN_CHILD_H
#define LB_SPAWN_CHILD_H

#include "host/spawn/spec.h"

enum spawn_step {
	SPAWN_STEP_SETUP, /* session, signals, descriptors */
	SPAWN_STEP_NOFILE,
	SPAWN_STEP_CORE,
	SPAWN_STEP_NICE,
	SPAWN_STEP_MOUNTS,
	SPAWN_STEP_CAPABILITIES,
	SPAWN_STEP_USER,
	SPAWN_STEP_DIRECTORY,
	SPAWN_STEP_HOOK,
	SPAWN_STEP_EXEC,
};

/* What the child writes to its parent when a step fails; nothing when all went well. */
struct spawn_report {
	enum spawn_step step;
	int error;      /* errno; 0 for a hook that ran and failed */
	int status;     /* of the hook, as of wait(2) */
	char path[128]; /* of mounts */
};

/* Waits for a byte from `go`, then does all that spawn says and becomes the program. */
_Noreturn void spawn_child_run(const struct spawn *spawn, int go, int report);

#endif

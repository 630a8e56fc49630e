/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration means for one process: words, environment, user, limits for spawn.h. */
#ifndef LB_LAUNCH_H
#define LB_LAUNCH_H

#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "host/process/account.h"
#include "host/process/environment.h"
#include "host/spawn/spawn.h"

/* Whose process it is. */
struct launch_name {
	const char *worker; /* "web:8081" */
	const char *pool;
	uint16_t port;
	unsigned index;
};

struct launch {
	struct spawn spawn; /* descriptors and cgroup are the caller's to fill in */
	struct environment environment, hook_environment;
	struct account user, hook_user;
	char *directory, *hook_directory;
	uint64_t files; /* what its environment files said: environment_digest(); 0: it has none */
};

/* As whom, and with how much of lbd's environment; NULLs: as lbd. */
struct launch_who {
	const char *user, *group;
	bool inherit_environment;
};

/* Fills in words, user and environment, and no more; for what is no worker's.  As launch_build(). */
int launch_begin(const struct launch_who *who, const struct launch_name *name, const char *command,
		 struct launch *launch, struct error *error);

/*
 * Fills in *launch for this command of the worker: its own or a hook with user NULL; with a user one that
 * has of the worker no more than its name and its limits, since that user may be root.  launch_clear() also
 * after a failure.  -errno with a line: unknown user, unreadable environment file, open quote.
 */
int launch_build(const struct conf_worker *conf, const struct launch_name *name,
		 const char *command, const char *user, struct launch *launch, struct error *error);

/* What they say now, as launch.files.  -errno with a line, as launch_build(). */
int launch_look_at_files(const struct conf_worker *conf, const struct launch_name *name,
			 uint64_t *files, struct error *error);

/* Adds the hook that runs before the program, by its own user where it has one. */
int launch_add_hook(const struct conf_worker *conf, const struct launch_name *name,
		    struct launch *launch, struct error *error);

/*
 * Adds LISTEN_FDS and its kin for spawn.listener_count descriptors, see sd_listen_fds(3), if there are any.  Of
 * that family none that a file or the configuration brought is left then; the next likewise.
 */
int launch_add_listeners(const struct launch_name *name, struct launch *launch);

/* Adds NOTIFY_SOCKET, and WATCHDOG_USEC and WATCHDOG_PID where that is not 0, see sd_notify(3). */
int launch_add_notify(const char *socket, uint32_t watchdog_ms, struct launch *launch);

void launch_clear(struct launch *launch);

#endif

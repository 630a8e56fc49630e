/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker's configuration means for one process: words, environment, user, limits for spawn.h. */
#ifndef LB_LAUNCH_H
#define LB_LAUNCH_H

#include <stdint.h>

#include "conf.h"
#include "environment.h"
#include "error.h"
#include "spawn.h"

/* Whose process it is. */
struct launch_name {
	const char *worker; /* "web:8081" */
	const char *pool;
	uint16_t port;
	unsigned index;
};

struct launch {
	struct spawn spawn; /* descriptors and cgroup are the caller's to fill in */
	struct environment environment;
	char *directory;
	gid_t *groups;
};

/*
 * Fills in *launch for this command of the worker (its own, or a hook); launch_clear() also after a
 * failure.  -errno with a line: unknown user, unreadable environment file, open quote.
 */
int launch_build(const struct conf_worker *conf, const struct launch_name *name,
		 const char *command, struct launch *launch, struct error *error);

/* Adds the hook that runs before the program. */
int launch_add_hook(const struct conf_worker *conf, const struct launch_name *name,
		    struct launch *launch, struct error *error);

/* Adds LISTEN_FDS and its kin for spawn.listener_count descriptors, see sd_listen_fds(3). */
int launch_add_listeners(const struct launch_name *name, struct launch *launch);

/* Adds NOTIFY_SOCKET, and WATCHDOG_USEC where that is not 0, see sd_notify(3). */
int launch_add_notify(const char *socket, uint32_t watchdog_ms, struct launch *launch);

void launch_clear(struct launch *launch);

/* Looks a user up, by name or number, with the groups; either may be NULL.  For checking too. */
int launch_find_user(const char *user, const char *group, struct launch *launch,
		     struct error *error);

#endif

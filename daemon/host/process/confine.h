/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker may not do, in the words of systemd.exec(5).  Each is asked for: some workers call sudo.
 * The functions are for the child between fork and exec, and do what the struct says, if anything.
 */
#ifndef LB_CONFINE_H
#define LB_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

struct confinement {
	bool no_new_privileges; /* set-user-ID programs give it nothing */
	bool private_tmp;       /* /tmp and /var/tmp of its own, gone with its last process */
	bool set_capabilities;  /* it has these and can get no others, whoever its user is */
	uint64_t capabilities;  /* see capabilities.h */
	uint64_t withheld;      /* it can get none of these; where no set of its own is asked for */
	char **read_only;       /* paths, with all below, NULL-ended; NULL: none */
};

/*
 * To be called when all else is known, fills in withheld: with mounts of its own a worker of root's has
 * none of the capabilities that reach past them (see mount(2), open_by_handle_at(2), proc_pid_root(5)).
 */
void confine_settle(struct confinement *confinement);

/* Is what has this absolute path on the host not there for it, by private_tmp?  By the path alone: pure. */
bool confine_hides(const struct confinement *confinement, const char *path);

/* A mount namespace of its own, where one is needed; needs CAP_SYS_ADMIN.  *path: of what failed. */
int confine_mounts(const struct confinement *confinement, const char **path);

/* Before the user is changed: what must not be lost by that, and what must not be gained after it. */
int confine_capabilities(const struct confinement *confinement);

/* The last step: nothing can be gained from here on. */
int confine_finish(const struct confinement *confinement);

#endif

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
	char **read_only;       /* paths, with all below, NULL-ended; NULL: none */
};

/* A mount namespace of its own, where one is needed; needs CAP_SYS_ADMIN.  *path: of what failed. */
int confine_mounts(const struct confinement *confinement, const char **path);

/* Before the user is changed: what must not be lost by that, and what must not be gained after it. */
int confine_capabilities(const struct confinement *confinement);

/* The last step: nothing can be gained from here on. */
int confine_finish(const struct confinement *confinement);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The listening sockets: taken from LISTEN_FDS (sd_listen_fds(3)), else opened by address. */
#ifndef LBSTATIC_LISTENER_H
#define LBSTATIC_LISTENER_H

#include "static/options/options.h"

struct listeners {
	int fd[LISTENS_MAX];
	unsigned count;
	bool inherited; /* somebody else holds them too: what waits in their queues is not lost */
};

/*
 * Inherited listeners stand for the addresses in the options.  Accepted sockets inherit TCP_NODELAY
 * from them; a client that has sent nothing yet is not accepted (TCP_DEFER_ACCEPT).
 */
int listeners_open(struct listeners *listeners, const struct options *options, struct fault *fault);
void listeners_close(struct listeners *listeners);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else has a backend's port: what a person has to know to end it.  The name is the process's own
 * word, hence shown, never believed.
 */
#ifndef LB_PORT_USER_H
#define LB_PORT_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "sockets.h"

enum { PORT_USER_BYTES = 192 };

/* Zeroed: nobody. */
struct port_user {
	uint32_t inode;             /* of its socket */
	struct lb_endpoint bound;   /* what that is bound to */
	bool is_inherited;          /* nobody is seen to hold it: text tells that */
	bool is_own;                /* a process of the worker itself has it */
	char text[PORT_USER_BYTES]; /* "nc (pid 7, user nobody)" */
};

struct backend;

/*
 * Looks for somebody who has the backend's port by a socket that is not the backend's.  in_the_way: only
 * what keeps a listener from being bound to its very address; else whatever has that port.
 */
bool port_user_find(const struct backend *backend, bool in_the_way, struct port_user *user);

/* What a sentence adds to text. */
const char *port_user_apart(const struct port_user *user);

/*
 * Fills it in from a socket, and the process that holds it (pid 0: not known).  backend: whose port it is; NULL
 * where the process is known.
 */
void port_user_set(struct port_user *user, const struct backend *backend,
		   const struct sockets_listener *socket, const struct sockets_owner *owner);

/* Would binding a listener to that endpoint fail because of the socket?  Pure. */
bool port_user_blocks(const struct lb_endpoint *endpoint, const struct sockets_listener *socket);

#endif

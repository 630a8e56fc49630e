/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else has a backend's port: what a person has to know to end it.  The name is the process's own
 * word, hence shown, never believed.
 */
#ifndef LB_PORT_USER_H
#define LB_PORT_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "host/net/sockets.h"
#include "model/facts.h"

struct backend;

/* By which socket somebody has the port. */
enum port_user_by {
	PORT_USER_LISTENS, /* a listener that the backend's address cannot be bound beside */
	PORT_USER_BOUND,   /* any socket of that kind */
	PORT_USER_BESIDE,  /* where there is none, one of another address of the host */
};

/* Looks for somebody who has the backend's port by a socket that is not the backend's. */
bool port_user_find(const struct backend *backend, enum port_user_by by, struct port_user *user);

/* What a sentence adds to text. */
const char *port_user_apart(const struct port_user *user);

/*
 * Fills it in from a socket, and the process that holds it (pid 0: not known).  backend: whose port it is; NULL
 * where the process is known.
 */
void port_user_set(struct port_user *user, const struct backend *backend,
		   const struct sockets_listener *socket, const struct sockets_holder *holder);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Listeners of other programs that a service would take the clients of, since the kernel asks lbd first. */
#ifndef LB_SERVICE_CLASH_H
#define LB_SERVICE_CLASH_H

#include "conf.h"

/*
 * -EADDRINUSE with a line for the first service whose address a process listens on that is no backend of the
 * configuration; -errno where the sockets cannot be listed.  is_served: what is served already, and so taken on
 * purpose; NULL: nothing.
 */
int service_clash_check(const struct conf *conf,
			bool (*is_served)(void *arg, const struct lb_endpoint *listen), void *arg,
			struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Others that have an address of a service: other programs, whose clients it would take, since the kernel asks lbd
 * first; and other instances of lbd, of which the kernel asks one alone, without a word to the other.
 */
#ifndef LB_SERVICE_CLASH_H
#define LB_SERVICE_CLASH_H

#include "conf/conf.h"
#include "host/net/sockets.h"

/*
 * -EADDRINUSE with a line for the first service whose address another instance than this one serves, or a process
 * listens on that is no backend of the configuration; -errno where the sockets cannot be listed.  is_served: what is
 * served already, and so taken on purpose; NULL: nothing.
 */
typedef bool service_clash_served(void *arg, const struct lb_endpoint *listen);
int service_clash_check(const struct conf *conf, const char *instance,
			service_clash_served *is_served, void *arg, struct error *error);

/* The part of it that is of other instances. */
int service_clash_others(const struct conf *conf, const char *instance,
			 service_clash_served *is_served, void *arg, struct error *error);

/*
 * -EADDRINUSE with a line for the first backend on this host at which another instance takes connections: what lbd
 * itself sends there, as a check does, would come to that one's.  is_known: was there before; NULL: nothing was.
 */
int service_clash_backends(const struct conf *conf, const char *instance,
			   service_clash_served *is_known, void *arg, struct error *error);

#endif

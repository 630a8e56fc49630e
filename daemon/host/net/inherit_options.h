/* SPDX-License-Identifier: Apache-2.0 */
/* The options of listening sockets that lbd opens for a worker. */
#ifndef LB_INHERIT_OPTIONS_H
#define LB_INHERIT_OPTIONS_H

/* What a new listener has before it is bound.  -errno. */
int inherit_set_options(int fd);

/*
 * Puts the socket's options, and O_NONBLOCK (fcntl(2)), back to what a new listener has, before its next process: one
 * that had it set them.  The name of one for which it has to be opened anew: no client can be served any more with
 * it, maybe.  NULL: none, or not to be known now.
 */
const char *inherit_restore_options(int fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets that lbd opens for a worker (`listen inherit`), so that their accept queue
 * survives the worker's death; and taking them back from a worker after lbd's own.
 */
#ifndef LB_INHERIT_H
#define LB_INHERIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "lb/abi.h"

/*
 * Binds and listens.  fds[0] takes IPv4, fds[1] IPv6, -1 where none does.  dual_stack: an IPv6 address
 * serves both on one socket (the same number twice); an IPv4 address gets a second socket on its IPv6
 * counterpart (127.0.0.1 and ::1, 0.0.0.0 and ::).  -errno with a line that names the address.
 */
int inherit_open(const struct lb_endpoint *endpoint, bool dual_stack, unsigned backlog, int fds[2],
		 struct error *error);

/*
 * The same in the place of fds, which end.  The new ones listen before the old ones are shut down: nobody but root
 * can bind to the address in between, unless a process of that user, which has the old ones, too, hinders the bind.
 * Then, as where fds is none (-1), it is as with inherit_open().  -errno: fds is none.
 */
int inherit_renew(const struct lb_endpoint *endpoint, bool dual_stack, unsigned backlog, int fds[2],
		  uid_t user, struct error *error);

/* Are these what inherit_open() would open for that address?  By what they are bound to. */
bool inherit_fits(const int fds[2], const struct lb_addr *addr, bool dual_stack);

/*
 * A process that has the socket may shut it down for all: then it listens again, with what waited in its
 * queue gone.  The backlog becomes this one in any case that it can.  1: so it was; 0: it listens still; -errno: it
 * cannot any more.
 */
int inherit_listen_again(int fd, unsigned backlog);

/*
 * Closes both, also when they are one, and sets them to -1.  A process of that user may have them, too, or have had
 * them: elsewhere (stranger.h), so that the port may be taken for a moment yet.
 */
void inherit_close(int fds[2], uid_t user);

/*
 * Before inherit_close(), when nobody is to serve them any more: by shutdown(2), for all who hold them, and no close
 * waits, also not that of a child which was given our descriptors meanwhile.  From now on they are that user's, and
 * the next is bound beside one that is open somewhere.  One of those who hold them may listen again before that, or
 * clear SO_REUSEADDR: then the bind fails.
 */
void inherit_end(const int fds[2], uid_t user);

/* The socket's inode, which names it in /proc; 0 for -1. */
uint64_t inherit_inode(int fd);

/*
 * Our own descriptor for that socket of the process (pidfd_getfd(2)); -ENOENT: it has closed it, or 32768 are before
 * it, see inspect.h.
 */
int inherit_take(pid_t pid, uint64_t inode);

#endif

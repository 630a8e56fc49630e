/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that one process of a network namespace holds: an abstract Unix address, unix(7).  It is in no file
 * system, so that nobody can remove it, and it ends with the process.  The socket is not listened on: there
 * is nothing that a stranger could send to it.
 */
#ifndef LB_NAME_LOCK_H
#define LB_NAME_LOCK_H

#include <stdint.h>
#include <sys/types.h>

/* Who has it: a stranger may take a name, too, but cannot take it as root. */
struct name_holder {
	uid_t uid;      /* 0 also where the kernel does not tell */
	uint32_t inode; /* of the socket; 0: not known */
};

/*
 * A descriptor that holds it as long as it is open; it may be handed on over exec.  -EADDRINUSE: another has
 * it, *holder.
 */
int name_lock(const char *name, struct name_holder *holder);

/*
 * Names that begin so and that root has, whoever holds them now: fills in the inodes of their sockets.  How many
 * (at most room), or -errno: the kernel does not tell.
 */
int name_find(const char *prefix, uint32_t *inodes, size_t room);

/*
 * A child that lives for a while before it executes its program (a hook runs first) must not hold the name
 * beyond its parent's death: in the child name_lock_after_fork() closes what name_lock_hold() has told.
 */
void name_lock_hold(int fd);
void name_lock_after_fork(void);

#endif

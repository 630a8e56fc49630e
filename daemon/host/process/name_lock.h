/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that one process of a network namespace holds: an abstract Unix address, unix(7).  It is in no file
 * system, so that nobody can remove it, and it ends with the process.  The socket is not listened on: there
 * is nothing that a stranger could send to it.
 *
 * Danger: that root made a socket is no proof that root bound it.  A service's standard output is often one
 * (sd_journal_stream_fd(3)), which has no name yet: whoever runs there may give it any.  So a name is lbd's only
 * where a process that is lbd has it: sockets_find_holders_among(), program_is_of().
 */
#ifndef LB_NAME_LOCK_H
#define LB_NAME_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the kernel tells of the socket that has it: who made it. */
struct name_holder {
	uid_t uid;
	uint32_t inode;  /* 0: not known */
	bool may_be_lbd; /* it is as name_lock() makes them, or not known */
};

/*
 * A descriptor that holds it as long as it is open; it may be handed on over exec.  -EADDRINUSE: another has
 * it, *holder.
 */
int name_lock(const char *name, struct name_holder *holder);

/*
 * Names that begin so and may be lbd's, whoever holds them: *inodes, to be freed, of their sockets.  How many, or
 * -errno: the kernel does not tell.
 */
int name_find(const char *prefix, uint32_t **inodes);

/*
 * A child that lives for a while before it executes its program (a hook runs first) must not hold the name
 * beyond its parent's death: in the child name_lock_after_fork() closes what name_lock_hold() has told.
 */
void name_lock_hold(int fd);
void name_lock_after_fork(void);

#endif

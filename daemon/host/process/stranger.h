/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets that another user may send to.  Danger: the last close(2) of a descriptor that he passed
 * (SCM_RIGHTS, unix(7)) lasts as long as he likes (SO_LINGER of socket(7), a FUSE file), also where the
 * kernel drops it unseen; so may every other call on it.  Since Linux 6.16 a socket can refuse them
 * (SO_PASSRIGHTS); where it does not they are received whole and end with a process of their own (closer.h).
 * So does every socket that was taken from another process, which may have made it such a one meanwhile, or what
 * that process turns out to have where a socket was looked for.
 */
#ifndef LB_STRANGER_H
#define LB_STRANGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * Before bind(2); what is accepted from it inherits that: a sender of descriptors gets EPERM from now on.  False:
 * an older kernel; the functions below do without.
 */
bool stranger_refuse(int fd);

/*
 * recv(2) that never closes what came along; user: who may send.  sender and flags (msg_flags of recvmsg(2)) may
 * be NULL; sender's pid is 0 without SO_PASSCRED.  -1 and errno; EBUSY: nothing was received, because as many of
 * this user's closers as may, or all, have not ended; try again later.
 */
ssize_t stranger_recv(int fd, uid_t user, void *bytes, size_t room, struct ucred *sender,
		      int *flags);

/* Closes the socket itself, for all who have it: what its queue holds goes with it. */
void stranger_close(int fd, uid_t user);

/*
 * Our own descriptor (pidfd_getfd(2)) of the socket of that inode which the process, of that user, had by that
 * number.  -ESTALE: it has put another file there; -EBUSY as above, -ETIMEDOUT (aside.h): nothing was taken;
 * else -errno.
 * Ends, as everything that takes or gives back, with stranger_flush().
 */
int stranger_take(int process, int number, uint64_t inode, uid_t user);

/* Closes a socket that another process has or had, without shutting it down: that one may go on with it. */
void stranger_give_back(int fd, uid_t user);

/* What was given back is closed from now on; without it, when 1024 of a user's, or those of 16 users, are there. */
void stranger_flush(void);

#endif

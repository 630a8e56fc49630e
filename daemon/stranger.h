/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets that another user may send to.  Danger: the last close(2) of a descriptor that he passed
 * (SCM_RIGHTS, unix(7)) lasts as long as he likes (SO_LINGER of socket(7), a FUSE file), also where the
 * kernel drops it unseen.  Since Linux 6.16 such a socket can refuse them (SO_PASSRIGHTS); before, they are
 * received whole and closed in threads of their own, a message each.  Called by the event loop's thread only.
 */
#ifndef LB_STRANGER_H
#define LB_STRANGER_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/*
 * Before bind(2), or right after accept(2): a sender of descriptors gets EPERM from now on.  An accepted
 * socket may hold some that were sent before.  False: an older kernel; the functions below do without.
 */
bool stranger_refuse(int fd);

/*
 * recv(2) that never closes what came along.  sender and flags (msg_flags of recvmsg(2)) may be NULL;
 * sender's pid is 0 without SO_PASSCRED.  -1 and errno; EBUSY: nothing was received, because as many closes
 * as may last do last; try again later.
 */
ssize_t stranger_recv(int fd, void *bytes, size_t room, struct ucred *sender, int *flags);

/*
 * Closes the socket itself: what its queue holds goes with it.  With all threads taken it is shut down and
 * closed by the next that is free; with 1024 that wait so, here.
 */
void stranger_close(int fd);

#endif

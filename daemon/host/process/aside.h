/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A descriptor that another process can keep us waiting for: pidfd_getfd(2), and opening what is below
 * /proc/PID/fd, wait for an execve(2) of that process, which lasts as long as its user likes (it has much memory to
 * give back at SCHED_IDLE, or an aio(7) request to a file system of his).  Such a wait ends with a fatal signal only,
 * so it is a process of its own that waits.
 */
#ifndef LB_ASIDE_H
#define LB_ASIDE_H

/*
 * What get() returns in that process: a descriptor, which is then one of ours, or -errno.  get() is to do system
 * calls and no more.  -ETIMEDOUT after some 200 ms; -EAGAIN, -EMFILE where there is no process or socket.
 */
int aside_get(int (*get)(const void *arg), const void *arg);

#endif

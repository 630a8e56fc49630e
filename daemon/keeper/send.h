/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to the keeper's process: see KEEPER_SOCKET.  Never waits. */
#ifndef LB_KEEPER_SEND_H
#define LB_KEEPER_SEND_H

#include <stddef.h>
#include <stdint.h>

enum { KEEPER_FDS_MAX = 2 }; /* of one message */

/* note may be NULL.  -EAGAIN: its queue is full; -EPIPE, -ECONNRESET: it has ended. */
int keeper_send(int socket, uint64_t number, const char *note, const int *fds, size_t fd_count);

/* The FIFO that fd is of, for reading alone: the kernel keeps what is in the queue open. */
int keeper_send_fifo(int socket, uint64_t number, const char *note, int fd);

#endif

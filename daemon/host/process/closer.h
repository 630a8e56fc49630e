/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes that end with descriptors whose last close(2) may last as long as another user likes.  The end of a
 * process does not wait for SO_LINGER (tcp_close() of the kernel); what it does wait for, the close of a file of a
 * FUSE server, holds nothing up: a closer has nothing else.  Not threads: those have the event loop's descriptors,
 * and so would each program that it starts, and the one that takes over from it.
 */
#ifndef LB_CLOSER_H
#define LB_CLOSER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CLOSER_MOST = 1024 };

/*
 * Whether that user may have another: 16 at most that have not ended, and no more than are left of 64, so that
 * whoever has none gets one.  Source: Choudhury and Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet
 * Switches, 1998.
 */
bool closer_may_begin(uid_t user);

/* Whether one of that user's is so young that its turn on a processor may not have come yet. */
bool closer_has_young(uid_t user);

/* Closes 1 to CLOSER_MOST different ones.  False: no process could be had; all are open. */
bool closer_end_with(uid_t user, const int *fds, size_t count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One message of lbd's at the keeper's socket, in the form of keeper/protocol.h; for keeping/output.c alone. */
#ifndef LB_KEEP_MESSAGE_H
#define LB_KEEP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper/protocol.h"
#include "keeper/send.h"

struct keeper_message {
	uint64_t number;
	char note[KEEPER_NOTE_BYTES_MAX];
	int fds[KEEPER_FDS_MAX]; /* the receiver's */
	size_t count;
	bool is_short; /* more were sent, for which there was no descriptor */
};

/* The next of KEEPER_SOCKET.  false with errno EAGAIN: not now; else there will be no more. */
bool keeper_message_receive(struct keeper_message *message);

#endif

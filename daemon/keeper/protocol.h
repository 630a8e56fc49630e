/* SPDX-License-Identifier: Apache-2.0 */
/* What the keeper's process is born with, and what is said to it: see keeper.h. */
#ifndef LB_KEEPER_PROTOCOL_H
#define LB_KEEPER_PROTOCOL_H

enum {
	/*
	 * Descriptor of the program, SOCK_SEQPACKET.  Each message is a number (uint64_t), then a FIFO's note with
	 * its descriptor, or a socket's with that and the worker's pidfd; or KEEPER_LEFT; or nothing: that one is
	 * done with.  Or 0 and KEEPER_LOG, with a descriptor: there lbd's log is by now.
	 */
	KEEPER_SOCKET = 0,
	KEEPER_NAME = 3, /* descriptor that holds its name */
	/*
	 * Both ends of another.  The next lbd takes the first as the keeper is about to be asked to end
	 * (pidfd_getfd(2), which is root's), and that gives the sockets by the second: kept_notify.h.
	 */
	KEEPER_NEXT = 4,
	KEEPER_GIVES = 5,
	KEEPER_NOTE_BYTES_MAX = 16384, /* with its NUL */
};

#define KEEPER_LEFT "left"
#define KEEPER_LOG  "log"

/* lbd's word that makes it one. */
#define KEEPER_OPTION "--keep-output"

#endif

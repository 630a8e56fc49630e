/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The notify sockets that the keeper has; for keeping/output.c alone.  While no lbd reads them it does: a worker that
 * speaks into a full queue would stand still until the next lbd comes.  What counts of it is given on with them.
 */
#ifndef LB_KEEP_NOTIFY_H
#define LB_KEEP_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/*
 * Takes both descriptors over: the socket of the process that pidfd names, until that ends, which ended() tells.
 * note: see kept_notify.h.
 */
void keep_notify_add(sd_event *event, const int fds[2], uint64_t number, const char *note,
		     void (*ended)(void));

bool keep_notify_any(void);

/* lbd is done with the one of that number, see KEEPER_SOCKET; it need not be here. */
void keep_notify_drop(uint64_t number);

/* lbd reads none of them any more. */
void keep_notify_read(sd_event *event);

/* To the next lbd, by KEEPER_GIVES, if that asks for them; none is here from now on. */
void keep_notify_give(int to);

#endif

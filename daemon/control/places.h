/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clients of the control socket, and who gets a place among them.  Any local user that can open the
 * socket may hold connections for as long as it likes, and must keep nobody else out by it:
 *
 *     root and lbd's own user   any place that is free; at least 16 of the 64 are theirs alone
 *     others who may change     24
 *     who may only read         24
 *
 * Of the last two, when all are taken, a user that has fewer gets one of the user who has the most, the
 * one that has been idle longest.  Private to the room control.
 */
#ifndef LB_CONTROL_PLACES_H
#define LB_CONTROL_PLACES_H

#include "control/client.h"

enum { PLACES_MAX = 64, PLACES_OF_RANK = 24 };

struct places {
	struct client *clients[PLACES_MAX];
	unsigned count;
};

/* Is there a place for one more of this user?  May end the client of another to make one. */
bool places_make(struct places *places, const struct client_peer *peer);
void places_add(struct places *places, struct client *client);
void places_remove(struct places *places, const struct client *client);

#endif

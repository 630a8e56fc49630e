/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of backends' states, told in the order in which they came about.  What entering a state does
 * may change the state again before those who follow the first change have heard of it: a change waits
 * until the one that it came from is over, and one made by a follower until all have heard of this one.
 */
#ifndef LB_CHANGES_H
#define LB_CHANGES_H

#include <stdbool.h>
#include <stddef.h>

#include "model/state.h"

struct backend;
struct change;

struct changes {
	/* The backend may have gone further by now: `to` is where this change led. */
	void (*tell)(void *arg, struct backend *backend, enum state from, enum state to);
	void *arg;
	/* Private to changes.c. */
	struct change *list;
	size_t count, next, room;
	unsigned held;
};

/* What is added between these is told by the last release. */
void changes_hold(struct changes *changes);
void changes_release(struct changes *changes);

/* Without memory it is told at once. */
void changes_add(struct changes *changes, struct backend *backend, enum state from, enum state to);

void changes_forget(struct changes *changes, const struct backend *backend); /* it is being freed */
void changes_clear(struct changes *changes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rolling restart: the workers of a pool one after another (or `roll_parallel` at a time), each
 * drained, stopped, started and ready before the next.  It ends at the first that does not get ready;
 * the rest go on serving as they are.
 */
#ifndef LB_ROLL_H
#define LB_ROLL_H

#include "pool.h"

struct roll_watcher {
	void (*progress)(void *arg, const char *text);
	/* Once, at the end: error is NULL when all went well. */
	void (*done)(void *arg, const char *error);
	void *arg;
};

/* watcher may be NULL.  -EALREADY: one is under way; -ENOENT: the pool has no workers. */
int roll_start(struct pool *pool, const struct roll_watcher *watcher);

/* Rolls those of its workers whose process runs with other settings than the configuration has now. */
void roll_outdated(struct pool *pool);

/* Tells the roll of its pool, if there is one, that a backend's state has changed. */
void roll_changed(struct backend *backend, enum state from);

void roll_unwatch(struct pool *pool, const void *arg); /* the watcher has gone */
void roll_forget(struct pool *pool, const char *why);  /* ends its roll */
void roll_move(struct pool *from, struct pool *to);    /* the pool by another configuration */
bool roll_active(const struct pool *pool);

#endif

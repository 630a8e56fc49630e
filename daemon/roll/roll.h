/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restarts of workers that lose nothing: each whose turn it is is drained, stopped, started and ready
 * before the next (`roll_parallel` at a time).  Those that are not up come first; the last one of its
 * pool that is up is never taken, unless that was asked for.  Ends at the first that does not get
 * ready; the rest go on serving as they are.
 *
 * Who has a turn is in the backends (`turn`), which a later lbd is told (remember.h): it goes on.
 */
#ifndef LB_ROLL_H
#define LB_ROLL_H

#include "model/pool.h"
#include "roll/step.h"
#include "roll/watch.h"

/*
 * All workers of a pool but those that were stopped or drained by command.  force: the last one that is
 * up too.  watcher may be NULL.  -EALREADY: a roll is under way; -ENOENT: the pool has no workers; -ENODATA: all of
 * them were stopped or drained, and nothing is to be done.
 */
int roll_start(struct pool *pool, bool force, const struct roll_watcher *watcher);

/* One more who is told of the roll under way.  -ESRCH: there is none; -ENOMEM. */
int roll_join(struct pool *pool, const struct roll_watcher *watcher);

/*
 * Those of its workers whose process runs with other settings than the configuration has now, also those whose
 * turn has begun; and those that have failed, where one runs so or failed with others.
 */
int roll_outdated(struct pool *pool);

/* It has failed, and with other settings than the configuration has now. */
bool roll_is_mended(const struct backend *backend);

/* A single worker, whatever stopped it: gives it a turn; roll_go() begins, or goes on with it too. */
void roll_mark(struct backend *backend, bool force);
int roll_go(struct pool *pool);

/* Goes on with what the lbd before had under way. */
void roll_resume(struct pool *pool);

void roll_unwatch(struct pool *pool, const void *arg); /* the watcher has gone */
void roll_forget(struct pool *pool, const char *why);  /* ends its roll */
void roll_move(struct pool *from, struct pool *to);    /* the pool by another configuration */
void roll_free(struct pool *pool);                     /* of lbd's end: the next goes on with it */
const char *roll_error(const struct pool *pool);       /* why the last one ended early, or "" */

#endif

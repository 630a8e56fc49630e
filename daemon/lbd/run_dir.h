/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The run directory of a living lbd.  Somebody may delete it, or part of it, from under it (a cleaner of /run, a
 * person): it is made again with what lbd knows: lock, control socket, configuration in force, who
 * leaves it, states, records and notify sockets of the workers that run.  What workers print goes on through the
 * FIFOs that they have open.
 */
#ifndef LB_RUN_DIR_H
#define LB_RUN_DIR_H

#include "lbd/lbd.h"

/* From now on, first of all of a start; what cannot be watched is said, and stays so when it is deleted. */
void run_dir_watch(struct lbd *lbd);

/*
 * Before another program is tried, and before it takes over, while the loop runs: it knows by the directory alone what
 * is known.  What somebody has altered or put there is written anew, and not followed.
 */
void run_dir_hand_on(struct lbd *lbd);

/* Before the directory is removed in good order, or left to the next lbd. */
void run_dir_leave(struct lbd *lbd);

#endif

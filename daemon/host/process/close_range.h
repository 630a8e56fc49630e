/* SPDX-License-Identifier: Apache-2.0 */
/* close_range(2) in a process that is about to become another, or to end. */
#ifndef LB_CLOSE_RANGE_H
#define LB_CLOSE_RANGE_H

/*
 * Danger: of a listener that lbd gave to a worker, this process may be the last who has it, and the worker has made
 * it a connection that lingers (SO_LINGER of socket(7)).  Such a close is cut short by a signal; nothing else is.
 * For a process with one thread that has no ITIMER_REAL.  0 or -errno.
 */
int close_range_at_once(unsigned first, unsigned last);

#endif

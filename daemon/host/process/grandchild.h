/* SPDX-License-Identifier: Apache-2.0 */
/* A process of ours that somebody else reaps: nobody here waits for its end, which may last. */
#ifndef LB_GRANDCHILD_H
#define LB_GRANDCHILD_H

#include <stdbool.h>

/* It has all our descriptors, and does run(arg), which does not return.  False: there is none. */
bool grandchild_start(void (*run)(void *arg), void *arg);

#endif

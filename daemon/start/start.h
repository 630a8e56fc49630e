/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start of lbd, from its run directory and event loop, which are there, to workers that are taken back or
 * started.
 */
#ifndef LB_START_H
#define LB_START_H

#include "verbs/verbs.h"

/* verbs: for the control socket, which it opens.  -errno with a line. */
int start_lbd(struct lbd *lbd, struct verbs *verbs, struct error *error);

#endif

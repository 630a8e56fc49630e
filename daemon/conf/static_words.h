/* SPDX-License-Identifier: Apache-2.0 */
/* Whether lbstatic understands what a configuration has for it.  Only lbstatic itself can say. */
#ifndef LB_STATIC_WORDS_H
#define LB_STATIC_WORDS_H

#include "base/error.h"

/*
 * Runs argv[0], lbstatic, which must be root's, with all its words and -V: it parses them, opens nothing, and
 * leaves.  Waits for that, for 5 s at most.  -EINVAL with its line; 0 also where it cannot be run, or where the words
 * name a file of rules (-c), which it would open: that its start will tell.
 */
int static_words_check(char *const *argv, struct error *error);

#endif

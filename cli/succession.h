/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes after the reply of a verb that lbd cannot answer at its end: that lbd has ended, that the
 * next one answers.  peer: a pidfd of the lbd that replied; -1 where it is in another pid namespace.
 */
#ifndef LB_SUCCESSION_H
#define LB_SUCCESSION_H

#include "terminal.h"

void succession_await_end(const struct cli *cli, int peer);

/* LB_CTL_NO_LBD when it has ended instead, or does not answer within a minute; told. */
int succession_await_next(const struct cli *cli, int peer);

#endif

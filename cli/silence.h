/* SPDX-License-Identifier: Apache-2.0 */
/* An lbd that is asked and says nothing: what is to be seen of it, and what a person can do. */
#ifndef LB_SILENCE_H
#define LB_SILENCE_H

#include "terminal.h"

enum { SILENCE_REPLY_S = 30 };

/*
 * Until something can be read from the connection, 2 s at most; then one line on cli->err, on a terminal or not:
 * whoever reads a log wants to know, too.  waits: lbd may take its time; nothing is told where it just does.
 */
void silence_watch(const struct cli *cli, int fd, bool waits);

/* After SILENCE_REPLY_S without a reply; returns the exit code. */
int silence_fail(const struct cli *cli, int fd);

#endif

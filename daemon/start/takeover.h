/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `lbd --test-takeover`: could this program go on where a running lbd is?  It reads all that it would
 * find (records, configuration, pins) and all that could end its start (the log, the pid file, limits, addresses of
 * backends), and has the kernel check its programs against the pinned maps;
 * changes nothing.  reexec.c asks a new binary so before it gives up anything.
 */
#ifndef LB_TAKEOVER_H
#define LB_TAKEOVER_H

#include "start/options.h"

/* The exit code.  0: standard output has "lbd VERSION"; else standard error has a line. */
int takeover_test(const struct options *options);

#endif

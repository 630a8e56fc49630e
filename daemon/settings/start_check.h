/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be said of a configuration before lbd is started with it, in the words in which the start would: what
 * check/launch.h looks at, for every pool, whether its backends are of this host, and lbd's own log, pid file and
 * limits.  Makes and changes nothing but
 * this process's own limits: for programs that check and end.
 */
#ifndef LB_START_CHECK_H
#define LB_START_CHECK_H

#include "check/launch.h"

/* Tells every error and warning by warn, which has both; false: there were errors. */
bool start_check(const struct conf *conf, const struct launch_warn *warn);

#endif

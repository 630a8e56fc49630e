/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is what a worker's start needs there?  Its programs, found as execvp(3) will, in its own PATH and from its
 * own directory; its environment files, directories and the paths that it may only read; its logs, and what
 * lbstatic reads and writes.
 *
 * What is wrong is an error where only root can have made it so (place.h).  Elsewhere a worker's user
 * could keep root from changing anything: there it is a warning, and the trouble of that worker alone.
 */
#ifndef LB_LAUNCH_CHECK_H
#define LB_LAUNCH_CHECK_H

#include "base/error.h"
#include "check/verdict.h"
#include "conf/conf.h"

/*
 * What each of a pool's workers will run with: its command, hooks and logs (relative ones in log_directory), and
 * the command of an exec check.  What is the same for several is told once.  -errno with a line.
 */
int launch_check(const struct conf_pool *pool, const char *log_directory,
		 const struct launch_warn *warn, struct error *error);

/* The same of the worker of that index alone. */
int launch_check_worker(const struct conf_pool *pool, unsigned index, const char *log_directory,
			const struct launch_warn *warn, struct error *error);

/* The command of an exec check alone. */
int launch_check_health(const struct conf_pool *pool, const struct launch_warn *warn,
			struct error *error);

#endif

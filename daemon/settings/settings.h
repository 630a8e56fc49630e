/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration says about lbd's own process: log, pid file, limits. */
#ifndef LB_SETTINGS_H
#define LB_SETTINGS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "check/verdict.h"
#include "conf/conf.h"

/*
 * Raises the limits of open files and processes to what min_files and min_processes ask for, opens the
 * log (in the background without one: LB_LOG_DIR/INSTANCE.log) and looks whether the pid file may be written.
 * -errno with a line; -EPERM when a hard limit is too low.  in_force: it was so before lbd died; then a log that
 * cannot be opened is an error in the log, which is the default one.
 */
int settings_use(const struct conf *conf, const char *instance, bool foreground, bool in_force,
		 struct error *error);

/* When nothing else can refuse the start: until then the file is as it was.  in_force: an error in the log as well. */
int settings_write_pid(const struct conf *conf, const char *instance, bool foreground,
		       bool in_force, struct error *error);

/*
 * Whether that would be refused; but for the limits of this process all is left as it is.  lbd: the one that would do
 * it, which need not be this process; 0: none runs.
 */
int settings_try(const struct conf *conf, const char *instance, bool foreground, pid_t lbd,
		 struct error *error);

/* settings_use() by another configuration than before; on failure that one's are in force again. */
int settings_change(const struct conf *from, const struct conf *to, const char *instance,
		    bool foreground, struct error *error);

void settings_end(const struct conf *conf); /* removes the pid file; takes NULL */

/* Lets `static` find the lbstatic that was installed beside this lbd. */
void settings_find_static(void);

/* Tells what settings_use() would refuse, and leaves all as it is, but for the limits of this process. */
void settings_check(const struct conf *conf, const struct launch_warn *warn);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNDIR/running.conf: the configuration in force, changes by lbctl included, for the lbd that comes
 * after one that died.  It tells the files that it came from, as they were.  It names
 * the file of each directive, so that relative paths mean the same and `save` knows where it belongs.  For
 * root alone to read: so may the configuration be.
 */
#ifndef LB_RUNNING_H
#define LB_RUNNING_H

#include <stdint.h>

#include "conf.h"

/* Of the file's name and content, with what it includes; of a missing file too.  Never 0. */
uint64_t running_origin(const char *conf_path);

/* Replaces the record in one step.  -errno with a line. */
int running_write(const char *run_dir, uint64_t origin, const struct block *root,
		  struct error *error);

/* *origin: of the files that it came from.  -ENOENT: there is none; -EPROTO: of another version. */
int running_read(const char *run_dir, const char *conf_path, uint64_t *origin, struct conf **conf,
		 struct error *error);

/*
 * The configuration of a text that block_print_whole() has written for a root of this name; errors give lines of
 * path.  As conf_build().
 */
int running_build(const char *path, const char *text, const char *conf_path, struct conf **conf,
		  struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNDIR/running.conf: the configuration in force, changes by lbctl included, for the lbd that comes
 * after one that died.  It counts only as long as the file that it came from has not changed.
 */
#ifndef LB_RUNNING_H
#define LB_RUNNING_H

#include <stdint.h>

#include "conf.h"

/* Of the file's name and content; of a missing file too. */
uint64_t running_origin(const char *conf_path);

/* Replaces the record in one step. */
int running_write(const char *run_dir, uint64_t origin, const struct block *root);

/* -ENOENT where there is none that belongs to origin. */
int running_read(const char *run_dir, uint64_t origin, struct conf **conf, struct error *error);

#endif

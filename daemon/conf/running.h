/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUNDIR/running.conf: the configuration in force, changes by lbctl included, for the lbd that comes
 * after one that died.  It tells the files that it came from, as they were.  It names
 * the file of each directive, so that relative paths mean the same and `save` knows where it belongs.  For
 * root alone to read: so may the configuration be.
 *
 * It is published before `states` (remember.h), and lbd may be killed in between: so it tells as well which pools
 * the change that it holds has begun to roll.  That counts until `states` is written again.  And a save publishes it
 * first, with what each file is to say (origin.h): half of one must not be taken for an edit.
 */
#ifndef LB_RUNNING_H
#define LB_RUNNING_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/conf.h"
#include "conf/origin.h"

/* What it tells beside the configuration. */
struct running {
	struct origin *origin; /* of the files that it came from */
	uint64_t written_us;   /* CLOCK_MONOTONIC */
	bool is_saved_half;    /* the files have half of a save */
	char *rolls;           /* names of pools, a space after each; NULL: none */
};

void running_forget(struct running *running); /* what it holds */

/* Replaces the record in one step, which is told as written now.  -errno with a line. */
int running_write(const char *run_dir, const struct running *running, const struct block *root,
		  struct error *error);

/*
 * running is to be forgotten by the caller.  -ENOENT: there is none; -EBADMSG: it is torn; -EPROTO: of another
 * version.
 */
int running_read(const char *run_dir, const char *conf_path, struct running *running,
		 struct conf **conf, struct error *error);

/*
 * The configuration of a text that block_print_whole() has written for a root of this name; errors give lines of
 * path.  As conf_build().
 */
int running_build(const char *path, const char *text, const char *conf_path, struct conf **conf,
		  struct error *error);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration in force: how one is read, how it takes the place of the one before, and how it is remembered for
 * the next lbd.  -errno with a line in all of it.
 */
#ifndef LB_IN_FORCE_H
#define LB_IN_FORCE_H

#include "check/verdict.h"
#include "lbd/lbd.h"

extern const struct launch_warn lbd_warn_in_log;

/* Reads the file; that of the default name may be missing at the start, and is then an empty one. */
int lbd_read_conf(const struct lbd *lbd, struct conf **conf, struct error *error);

/* From where a configuration comes: what of it is of lbd's own process, and when. */
enum lbd_occasion {
	LBD_STARTS,  /* with it */
	LBD_GOES_ON, /* with what was in force before its start */
	LBD_CHANGES, /* the rest alone, by a verb of lbctl's */
	LBD_RELOADS,
};

/* Makes the world what conf says, which it takes over on success; to be remembered by lbd_write_running(). */
int lbd_apply_conf(struct lbd *lbd, struct conf *conf, enum lbd_occasion why, struct error *error);

/*
 * Remembers the configuration in force for the next lbd, and what it rolls.  What goes wrong is logged by the second.
 */
int lbd_publish_running(struct lbd *lbd, struct error *error);
void lbd_write_running(struct lbd *lbd);

#endif

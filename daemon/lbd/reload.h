/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file read anew, and put in force. */
#ifndef LB_RELOAD_H
#define LB_RELOAD_H

#include <stdio.h>

#include "lbd/lbd.h"

/*
 * changes, if not NULL, gets a line for each difference, as the log does.  Without force one that takes away what its
 * file most likely has lost is refused: -EPERM, see loss.h.  -errno with a line.
 */
int lbd_reload(struct lbd *lbd, bool force, FILE *changes, struct error *error);

/* Prints what a reload would change, and changes nothing. */
int lbd_reread(struct lbd *lbd, FILE *changes, struct error *error);

#endif

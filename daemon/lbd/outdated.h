/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers whose process runs with other settings than are in force: a roll to these ended half-way, an environment
 * file has changed, or lbd was away when the configuration did.
 */
#ifndef LB_OUTDATED_H
#define LB_OUTDATED_H

#include <stdio.h>

#include "lbd/lbd.h"

/*
 * Looks whether environment files have changed; not where to starts other processes anyway, perhaps from other files.
 */
void outdated_look(const struct lbd *lbd, const struct conf *to);

/* A line for each that goes on in to; where the settings change with that, another line says so already. */
void outdated_print(const struct lbd *lbd, const struct conf *to, FILE *out);

void outdated_roll(struct lbd *lbd); /* after a look */

/* The same of the pools alone that the lbd before had begun to roll when it died, where nothing else tells. */
void outdated_roll_begun(struct lbd *lbd);

#endif

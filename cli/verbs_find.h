/* SPDX-License-Identifier: Apache-2.0 */
/* Looks things up in the table of verbs by what was typed, and prints it. */
#ifndef LB_VERBS_FIND_H
#define LB_VERBS_FIND_H

#include "verbs.h"

/* What of a verb's name comes after these words; NULL: it does not begin with them. */
const char *verbs_rest(const char *name, char *const *words, size_t count);

/* The verb that the first words name, the longest; *used: how many they are.  NULL: none. */
const struct verb *verbs_find(char *const *words, size_t count, size_t *used);

/* The name nearest to what was typed; NULL: none is near. */
const char *verbs_nearest(char *const *words, size_t count);

/* Of the verbs whose names begin with these words; of all, and of lbctl, where there are none. */
int verbs_help(const struct cli *cli, char *const *words, size_t count);

#endif

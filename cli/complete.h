/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates for the shell's completion, from the table of verbs and from lbd. */
#ifndef LB_COMPLETE_H
#define LB_COMPLETE_H

#include "terminal.h"

/*
 * The last word is the one being typed, perhaps empty.  One candidate a line, not yet compared with
 * it; `:files` stands for names of files.  No lbd: fewer candidates.  Returns LB_CTL_DONE.
 */
int complete_print(struct cli *cli, char **words, int count);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl but for main(): options, verbs and their output, for one run. */
#ifndef LB_CLI_H
#define LB_CLI_H

#include "terminal.h"

/* Runs one command line, without the program's name; returns the exit code (lb/ctl.h). */
int cli_run(struct cli *cli, char **arguments, int count);

#endif

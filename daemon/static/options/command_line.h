/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every directive can be given on the command line (--name and its arguments, which end at the next word
 * that begins with '-') and in a rules file (a line, with double quotes around what has blanks); both go
 * through the same table in directives.c.
 */
#ifndef LBSTATIC_COMMAND_LINE_H
#define LBSTATIC_COMMAND_LINE_H

#include "static/options/options.h"

/* Reads the command line, and a rules file that it names, into options; 0 or -errno with fault. */
int command_line_read(struct options *options, int argc, char **argv, struct fault *fault);

/* The text of --help. */
void command_line_print_help(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl but for main(): options, verbs and their output, for one run. */
#ifndef LB_CLI_H
#define LB_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct cli {
	FILE *out, *err;
	const char *run_directory, *instance;
	bool json;     /* -j */
	bool terminal; /* out is one */
	bool colour;   /* out is a terminal, and NO_COLOR (no-color.org) is not set */
};

/* Runs one command line, without the program's name; returns the exit code (lb/ctl.h). */
int cli_run(struct cli *cli, char **arguments, int count);

/* To cli->out: as it is, or where that is a terminal, made harmless (printable.h). */
void cli_put(const struct cli *cli, const json_t *string);

/* One line on cli->err, "lbctl: ..."; returns code. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* One run of lbctl: which lbd it asks, and where it prints what is not to be obeyed by a terminal. */
#ifndef LB_TERMINAL_H
#define LB_TERMINAL_H

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

/* To cli->out: as it is, or where that is a terminal, made harmless (printable.h). */
void cli_put(const struct cli *cli, const json_t *string);

/* One line on cli->err, "lbctl: ..."; returns code. */
int cli_fail(const struct cli *cli, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of lbd. */
#ifndef LB_OPTIONS_H
#define LB_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *instance, *conf_path;
	bool conf_named; /* by -c */
	bool check, foreground;
	bool test_takeover; /* see takeover.h */
};

/* 0 to go on, else the process's exit code plus one; help and complaints have been printed. */
int options_parse(int argc, char **argv, struct options *options);

#endif

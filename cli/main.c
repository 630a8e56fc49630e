/* SPDX-License-Identifier: Apache-2.0 */
/* lbctl: a thin client of lbd's control socket. */
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "lb/ctl.h"

int main(int argc, char **argv)
{
	const char *no_color = getenv("NO_COLOR");
	struct cli cli = {
		.out = stdout,
		.err = stderr,
		.run_directory = LB_CTL_RUN_DIR,
		.instance = LB_CTL_INSTANCE,
		.terminal = isatty(STDOUT_FILENO),
		.colour = isatty(STDOUT_FILENO) && !(no_color && *no_color),
	};

	return cli_run(&cli, argv + 1, argc - 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What the process that keeper.h starts does: `lbd --keep-output PID RUNDIR`. */
#ifndef LB_KEEP_OUTPUT_H
#define LB_KEEP_OUTPUT_H

#include <sys/types.h>

/*
 * Takes the FIFOs that it is handed, and holds them; once lbd is dead it reads them on, and what else it finds in
 * run_dir, until nobody may write to any of them.  What it is left is tried for a minute, by a child of its own if
 * SIGTERM comes meanwhile.  The exit code.
 */
int keep_output_run(const char *run_dir, pid_t lbd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small process beside lbd that sleeps until lbd is dead, and then does what lbd did with the workers' output:
 * without it, a worker would stop once its FIFO is full.  The next lbd kills it, which loses nothing: see
 * output.h.  It ends by itself when there is no worker left, or with an orderly end of lbd.
 *
 * Who it is, is known by the lock that it holds on RUNDIR/output/keeper.
 */
#ifndef LB_KEEPER_H
#define LB_KEEPER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "error.h"

struct keeper;

/* Starts one, for this lbd's death, and another whenever that ends.  -errno with a line. */
int keeper_start(sd_event *event, const char *run_dir, struct keeper **out, struct error *error);
void keeper_free(struct keeper *keeper); /* ends nothing; takes NULL */

/* Ends the one that is there, of whichever lbd: nobody else reads the FIFOs when this returns. */
int keeper_end(const char *run_dir, struct error *error);

/* What that process does; lbd is whose death it waits for.  The exit code. */
int keeper_run(const char *run_dir, pid_t lbd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small process beside lbd that sleeps until lbd is dead, and then does what lbd did with the workers' output
 * (keeping/output.h): without it, a worker would stop once its FIFO is full, and what it had written would go
 * with it.  The next lbd ends it, which loses nothing: see output.h.
 *
 * It is handed each notify socket, too, of a worker that says by it that it is ready: whoever has connected to that
 * goes on with it when the next lbd has come, over a reexec as well.  While no lbd is there the keeper reads them.
 *
 * It is handed each FIFO, open for reading, with a note of where its bytes belong, before the worker's program
 * runs.  So it has them whenever lbd dies, be it before the keeper itself has come to run, and whatever
 * becomes of the run directory.  It also goes on with what lbd, alive, could not write when a worker ended.
 *
 * Who it is, is known by an abstract Unix address that it is born with, "lbd/INSTANCE/output/" and a random
 * word, which no stranger can take before, and by the program that has it: see name_lock.h.
 */
#ifndef LB_KEEPER_H
#define LB_KEEPER_H

#include <sys/types.h>
#include <systemd/sd-event.h>

#include "base/error.h"

struct keeper;
struct keeper_entry;

/*
 * Starts one, for this lbd's death, and another whenever that ends.  -errno with a line; *out is made all the
 * same, unless there is no memory for it.  Both words must outlive it.
 */
int keeper_start(sd_event *event, const char *instance, const char *run_dir, struct keeper **out,
		 struct error *error);
void keeper_free(struct keeper *keeper); /* ends no process; takes NULL */

/*
 * Hands it a FIFO, which stays open here until keeper_drop(); takes note over.  NULL: there is no keeper, or no
 * memory (note may be NULL for that), and the keeper will look for that FIFO by its name.
 */
struct keeper_entry *keeper_add(struct keeper *keeper, int fifo_fd, char *note);

/* The same for a notify socket; pidfd is the worker's, and stays open here as long.  note: kept_notify_print(). */
struct keeper_entry *keeper_add_notify(struct keeper *keeper, int socket, int pidfd, char *note);

/*
 * Of a FIFO: its worker has ended, and what is in it could not be written: that is the keeper's from now on, for a
 * minute at most.  Takes fifo_fd, its descriptor, over.
 */
void keeper_leave(struct keeper_entry *entry, int fifo_fd);

/*
 * About to be closed here.  With keeper_done() there as well, whoever else may still have it open: what nobody
 * lets go of would fill the keeper's descriptors, and other workers' output find no room.  With keeper_drop() the
 * keeper goes on with it when lbd is dead.  Both take NULL.
 */
void keeper_done(struct keeper_entry *entry);
void keeper_drop(struct keeper_entry *entry);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where one stream of a worker goes.  Nothing of it hangs on lbd's life: a plain file is appended to
 * by the worker itself; what has to be read on its way (to rotate, to prefix, to syslog) goes through
 * a FIFO that the worker holds open both ways, so that it neither gets SIGPIPE nor loses a byte
 * between two lbds.  Bytes leave the FIFO only when they are where they belong, in whole lines.
 */
#ifndef LB_OUTPUT_H
#define LB_OUTPUT_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/error.h"
#include "conf/conf.h"
#include "keeper/keeper.h"
#include "output/target.h"

struct output;

/*
 * Takes copies of all it is told.  With adopt, the process that has it already, a FIFO that is there is read on
 * even if conf needs none, also one that has lost its name; 0: for a process to come.  keeper: who has it when
 * lbd dies, or NULL.  -errno with a line that names the path.
 */
int output_new(sd_event *event, struct keeper *keeper, const struct conf_output *conf,
	       const struct output_target *target, pid_t adopt, struct output **out,
	       struct error *error);

/* The file that its bytes end up in; NULL: they do in none. */
const char *output_path(const struct output *output); /* takes NULL */

/* A descriptor for the worker to write to, or -errno with a line; the caller closes it. */
int output_open(struct output *output, struct error *error);

/*
 * The worker has ended, and its hooks: what is left is written, an unfinished last line too, by the keeper what
 * cannot be now; removes the FIFO.
 */
void output_end(struct output *output); /* takes NULL */

/* The same for the FIFO of a worker that ended while no lbd was there. */
void output_forget(struct keeper *keeper, const char *fifo);

/*
 * All FIFOs of run_dir, held open while they go from the keeper of one lbd to the next lbd: when a worker ends in
 * between, what it has written last would go with it.
 */
struct output_hold;
struct output_hold *output_hold(const char *run_dir);
void output_release(struct output_hold *hold); /* takes NULL */

void output_free(struct output *output); /* takes NULL */

#endif

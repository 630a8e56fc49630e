/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a stream could not be written: said once for as long as it lasts, and how much it was when that has changed,
 * or when the stream ends.  What is not told yet outlives this process, in FIFO.lost, for whoever reads the FIFO next.
 */
#ifndef LB_OUTPUT_LOSS_H
#define LB_OUTPUT_LOSS_H

#include <stddef.h>

struct output_loss;

/* what: "log /srv/app/log", as lines about it begin; copied.  fifo: its descriptor.  NULL: out of memory. */
struct output_loss *output_loss_new(const char *what, int fifo);

/* Why the output of a worker waits; that many bytes are lost.  why is the beginning of a line. */
void output_loss_wait(struct output_loss *loss, const char *why);
void output_loss_add(struct output_loss *loss, const char *why, size_t bytes);

/*
 * Some was written.  A short line may go in where the disk is full for others: said each time, that would fill lbd's
 * log.  So what was lost untold is told the next time, or at the end.
 */
void output_loss_over(struct output_loss *loss);

/* Nobody writes to the stream any more. */
void output_loss_end(struct output_loss *loss);

void output_loss_free(struct output_loss *loss); /* takes NULL */

/* FIFO.lost, with the FIFO. */
void output_loss_remove(const char *fifo);

#endif

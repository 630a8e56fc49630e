/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of one stream from its FIFO to where it belongs (output/sink.h), in lbd and in the process that outlives
 * it (keeping/output.h).  Bytes leave the FIFO only when they are there, in whole lines.
 */
#ifndef LB_OUTPUT_FLOW_H
#define LB_OUTPUT_FLOW_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "conf/conf.h"
#include "output/target.h"

enum {
	OUTPUT_FLOW_REST_US = 60 * 1000 * 1000
}; /* how long it is tried once nobody writes any more */

struct output_flow;

/*
 * Reads on in the event loop, after all else that this has to do; NULL: only when it is told to drain.  Takes fd
 * over unless it fails; copies what it is told.  -errno.
 */
int output_flow_new(sd_event *event, int fd, const struct conf_output *conf,
		    const struct output_target *target, struct output_flow **out);

/* The same by a note of output_target_text().  -EINVAL: it is none. */
int output_flow_resume(sd_event *event, int fd, const char *note, struct output_flow **out);

/*
 * ended() is called from the loop, and may free the flow, when nobody has the FIFO open for writing any more (which
 * a keeper sees, as lbd's own descriptor can write, too) and all is written, or was not taken in time, which is said.
 */
void output_flow_on_end(struct output_flow *flow, void (*ended)(void *arg), void *arg);

/* The same when whoever may still write is not waited for. */
void output_flow_end(struct output_flow *flow);
bool output_flow_is_ending(const struct output_flow *flow);

/*
 * Nobody writes any more: all that is there is written, an unfinished last line too.  False: some of it could not
 * be, and stays in the FIFO.
 */
bool output_flow_drain(struct output_flow *flow);
void output_flow_say_dropped(
	const struct output_flow *flow); /* what is still there, by who gives it up */

int output_flow_release(
	struct output_flow *flow); /* frees it, and leaves the FIFO, open, to the caller */
int output_flow_fd(const struct output_flow *flow);
void output_flow_free(struct output_flow *flow); /* closes the FIFO; takes NULL */

#endif

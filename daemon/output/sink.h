/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of a FIFO end up; one kind a file, each a row of the table in output/flow.c. */
#ifndef LB_OUTPUT_SINK_H
#define LB_OUTPUT_SINK_H

#include <stddef.h>
#include <stdint.h>

#include "output/target.h"

enum { OUTPUT_SHORT_US = 200000 }; /* until what was short is tried again, see shortage.h */

struct output_loss; /* the caller's, and outlives what writes to it */

struct output_sink {
	/* What the other functions are called with.  Copies what it is told.  NULL: out of memory. */
	void *(*open)(const struct conf_output *conf, const struct output_target *target,
		      struct output_loss *loss);
	/*
	 * Moves bytes from the FIFO, whose first are those in text (whole lines, or the last one unfinished).  Returns
	 * how many have left the FIFO: fewer than all while there is no descriptor or no memory for that
	 * (shortage.h), to be tried again; when they cannot be written for another reason they leave it all the
	 * same.  Either is said once.
	 */
	size_t (*move)(void *sink, int fifo, const char *text, size_t bytes);
	/* The worker has ended without ending its last line: the next one's begins on a line of its own.  Or NULL. */
	void (*end_line)(void *sink);
	void (*close)(void *sink);
	uint64_t again_us; /* after what could not be moved just now */
};

/* The file, which may be the user's (see place.h), is opened at the first write, and rotated before it is too large. */
extern const struct output_sink output_file_sink;

/* syslog(3)'s socket, one datagram a line; fewer than all also when that is congested. */
extern const struct output_sink output_syslog_sink;

#endif

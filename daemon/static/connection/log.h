/* SPDX-License-Identifier: Apache-2.0 */
/* The access log: one line per response, gathered and written once per turn of the loop. */
#ifndef LBSTATIC_LOG_H
#define LBSTATIC_LOG_H

#include "static/options/access.h"
#include "static/options/options.h"

#include <time.h>

struct log;

/* What is known of a request when its response begins; the slices need not live longer. */
struct log_request {
	struct address client;
	struct slice line, referer, agent, host;
	int status;
	time_t time;
	uint64_t start_ms;
};

/* *out is NULL when the options ask for none.  0 or -errno with fault. */
int log_open(struct log **out, const struct options *options, struct fault *fault);
void log_close(struct log *log);

/* Opens the file anew, as after a rotation; keeps the old one and returns -errno with fault if it cannot. */
int log_reopen(struct log *log, struct fault *fault);

/* Adds a line for a response of which bytes (head included) were sent. */
void log_write(struct log *log, const struct log_request *request, uint64_t bytes, uint64_t now_ms);

/* Writes what was gathered.  A full disk loses lines, never time. */
void log_flush(struct log *log);

/* A copy that does live longer, in one block to be freed; NULL without memory. */
struct log_request *log_request_keep(const struct log_request *request);

#endif

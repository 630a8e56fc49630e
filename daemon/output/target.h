/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIFO.to beside each FIFO: where its bytes belong, for whoever reads on after lbd's death.  The FIFOs of a run
 * directory are known by it.
 */
#ifndef LB_OUTPUT_TARGET_H
#define LB_OUTPUT_TARGET_H

#include <stdbool.h>
#include <sys/types.h>

#include "conf/conf.h"

struct output_target {
	const char *name; /* "web:8081", for syslog and messages */
	const char *path; /* of the log file */
	const char *fifo; /* where a FIFO is made if one is needed */
	bool is_err;      /* the stream for errors, apart */
	uid_t user;       /* the worker's, whose the file may be: see place.h */
};

/* Writes FIFO.to.  -errno. */
int output_target_write(const struct conf_output *conf, const struct output_target *target);
void output_target_remove(const char *fifo); /* with the FIFO */

/* The same as a text, newly allocated, or NULL; and back, the words are in text then.  -EINVAL: not one of ours. */
char *output_target_text(const struct conf_output *conf, const struct output_target *target);
int output_target_parse(char *text, struct conf_output *conf, struct output_target *target);

/*
 * A descriptor for reading, and that text, to be freed; NULL: it is torn, which is logged.  -errno: no such FIFO of
 * ours.
 */
int output_target_open(const char *fifo, char **text);

/*
 * Opens each FIFO of run_dir for reading, with the note that says where its bytes belong, for
 * output_flow_resume(), NULL where that is torn; fd is each()'s, note not.  False: there are more, for which
 * something was short (shortage.h).
 */
bool output_each_fifo(const char *run_dir,
		      void (*each)(void *arg, int fd, const char *fifo, char *note), void *arg);

#endif

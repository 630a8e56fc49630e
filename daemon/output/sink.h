/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of a FIFO end up; one kind a file; for output/output.c and output/flow.c alone. */
#ifndef LB_OUTPUT_SINK_H
#define LB_OUTPUT_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "conf/conf.h"
#include "output/output.h"

struct output_file;
struct output_syslog;
struct output_loss; /* the caller's, and outlives what writes to it */

/*
 * The file, which may be user's (see place.h), is opened at the first write.  Copies conf's numbers and
 * path.  NULL: out of memory.
 */
struct output_file *output_file_new(const char *path, const struct conf_output *conf, uid_t user,
				    struct output_loss *loss);
void output_file_free(struct output_file *file); /* takes NULL */

/*
 * Moves bytes from the FIFO, whose first are those in text (whole lines, or the last one unfinished),
 * to the file, rotating it before it grows too large.  Returns how many have left the FIFO: fewer than all
 * while there is no descriptor or no memory for that (shortage.h), to be tried again; when the file cannot be
 * written for another reason they leave it all the same.  Either is said once.
 */
size_t output_file_move(struct output_file *file, int fifo, const char *text, size_t bytes);

/* The worker has ended without ending its last line: the next one's begins on a line of its own. */
void output_file_end_line(struct output_file *file);

/* The same for syslog(3)'s socket, one datagram a line; fewer than all also when that is congested. */
struct output_syslog *output_syslog_new(const char *name, int priority, struct output_loss *loss);
void output_syslog_free(struct output_syslog *log); /* takes NULL */
size_t output_syslog_move(struct output_syslog *log, int fifo, const char *text, size_t bytes);

/* output/target.c: FIFO.to, which says where a FIFO's bytes belong.  -errno. */
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

#endif

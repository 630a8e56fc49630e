/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log's file, between the two that know it: output/file.c, which has it there, and output/file_move.c, which fills
 * it.
 */
#ifndef LB_OUTPUT_FILE_H
#define LB_OUTPUT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>

#include "output/sink.h"

enum {
	OUTPUT_SAY_AGAIN_S = 60,
	OUTPUT_LINE_BYTES = 64 << 10, /* a longer line may be split over two files */
};

struct output_file {
	LIST_ENTRY(output_file) link;
	char *path;
	struct conf_output conf;
	uid_t user; /* the worker's */
	int fd;
	bool is_regular;
	time_t stuck;       /* since when it cannot be rotated, or 0 */
	unsigned rotations; /* in this turn of the loop */
	size_t unfinished;  /* bytes of its last line, which goes on in the FIFO */
	time_t born;
	size_t lost; /* bytes since it could not be written; > 0 while that lasts */
	struct output_loss *loss;
};

/* Three of its row in the table of sinks, see sink.h. */
void *output_file_open(const struct conf_output *conf, const struct output_target *target,
		       struct output_loss *loss);
void output_file_end_line(void *sink);
void output_file_close(void *sink);

/*
 * There it is, open, and the bytes to come are its next: looked for by its name, made if need be, rotated if that
 * is due.  -errno with a line.
 */
int output_file_ready(struct output_file *file, struct stat *st, struct error *error);

/* Better a file that is too large than none: where it fails it is tried again after a while. */
void output_file_rotate(struct output_file *file);
bool output_file_may_rotate(const struct output_file *file);

#endif

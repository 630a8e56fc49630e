/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a connection still has to send: some text, then a part of an answer's content, then perhaps
 * further parts.  Content goes by sendfile(2), or from memory when the answer is kept there.
 */
#ifndef LBSTATIC_OUTPUT_H
#define LBSTATIC_OUTPUT_H

#include "static/answer/answer.h"

/*
 * A client that has not taken OUTPUT_PROVEN bytes of a response may be a slow reader, and has at most
 * OUTPUT_UNSENT of it queued in the kernel (TCP_NOTSENT_LOWAT, tcp(7)), so that many of them cost neither
 * memory nor the time of others.
 */
enum {
	OUTPUT_UNSENT = 256 << 10,
	OUTPUT_PROVEN = 1 << 20,
};

enum output_state {
	OUTPUT_DONE,
	OUTPUT_BLOCKED, /* the socket takes no more for now */
	OUTPUT_MORE,    /* it would, but others have their turn first */
};

struct part {
	struct slice text;
	uint64_t from, to;
};

/* The parts of a multipart response; one block of memory, texts included. */
struct parts {
	unsigned count, next;
	struct part part[];
};

struct output {
	struct answer *answer; /* a reference, while there is something to send */
	uint64_t at, end;      /* of its content */
	char *text;            /* owned; goes first */
	unsigned text_at, text_len;
	struct parts *parts; /* owned; come last */
	uint64_t sent;       /* since output_start */
};

/*
 * Starts with head, then bytes [from, to) of the answer's content, then parts (taken over; may be
 * NULL).  corked: more responses follow at once, so a short last segment may wait for them.
 * Returns enum output_state, or -errno when the connection is of no more use (-ENODATA: the file is
 * shorter than it was).
 */
int output_start(struct output *output, int fd, struct slice head, struct answer *answer,
		 uint64_t from, uint64_t to, struct parts *parts, uint64_t budget, bool corked);
int output_continue(struct output *output, int fd, uint64_t budget);
bool output_pending(const struct output *output);
void output_clear(struct output *output);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* From a request and the answer for its path to what is sent: conditions, ranges, the head. */
#ifndef LBSTATIC_RESPONSE_H
#define LBSTATIC_RESPONSE_H

#include "static/answer/answer.h"
#include "static/answer/output.h"
#include "static/http/request.h"

struct response {
	int status;
	struct slice head;     /* valid until the next response_make() */
	struct answer *answer; /* a reference of its own; may differ from the one asked with */
	uint64_t from, to;     /* of the answer's content; from == to: none is sent */
	struct parts *parts;   /* owned until output_start() takes it */
};

struct response_facts {
	const struct site *site;
	const struct request *request; /* NULL: it could not be read; the answer is its refusal */
	struct answer *answer;
	struct slice query; /* for a redirect's Location */
	bool stays;         /* the connection stays open */
	const char *date;
	const char *realm; /* for 401 */
};

/* 0 or -ENOMEM. */
int response_make(struct response *response, const struct response_facts *facts);

#endif

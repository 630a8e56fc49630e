/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's content, which nothing here wants: it is read past, so that the next request can be
 * found (RFC 9112, 6 and 7.1).  Pure.
 */
#ifndef LBSTATIC_CONTENT_H
#define LBSTATIC_CONTENT_H

#include "static/http/request.h"

enum content_state {
	CONTENT_NONE,
	CONTENT_LENGTH, /* left bytes, then done */
	CONTENT_CHUNK_SIZE,
	CONTENT_CHUNK_EXTENSION, /* after the size, up to the CR */
	CONTENT_CHUNK_LF,
	CONTENT_CHUNK_DATA,
	CONTENT_CHUNK_END, /* the CR behind the data */
	CONTENT_CHUNK_END_LF,
	CONTENT_TRAILER, /* at the start of a line behind the last chunk */
	CONTENT_TRAILER_LINE,
	CONTENT_TRAILER_LF,
	CONTENT_LAST_LF,
};

struct content {
	enum content_state state;
	unsigned digits; /* of the chunk size */
	uint64_t left;   /* of the length or the chunk */
	uint64_t seen;   /* bytes read past, framing included */
};

void content_start(struct content *content, const struct request *request);

/*
 * Reads past what it can; *used bytes of len.  Returns 0 when the content has ended, -EAGAIN when
 * more is to come, -EINVAL when it is malformed.
 */
int content_skip(struct content *content, const char *at, size_t len, size_t *used);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1.x request, by RFC 9112 and RFC 9110.  Pure: it reads a buffer, allocates
 * nothing, and every slice points into that buffer.
 */
#ifndef LBSTATIC_REQUEST_H
#define LBSTATIC_REQUEST_H

#include "static/http/slice.h"

#include <stdint.h>

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS };

/* The fields that anything here looks at; all others are checked and skipped. */
enum field {
	FIELD_HOST,
	FIELD_CONNECTION,
	FIELD_CONTENT_LENGTH,
	FIELD_TRANSFER_ENCODING,
	FIELD_EXPECT,
	FIELD_RANGE,
	FIELD_IF_RANGE,
	FIELD_IF_MATCH,
	FIELD_IF_NONE_MATCH,
	FIELD_IF_MODIFIED_SINCE,
	FIELD_IF_UNMODIFIED_SINCE,
	FIELD_ACCEPT_ENCODING,
	FIELD_AUTHORIZATION,
	FIELD_REFERER,
	FIELD_USER_AGENT,
	FIELDS,
};

enum request_flags {
	REQUEST_CLOSE = 1U << 0,      /* the connection ends after the response */
	REQUEST_KEEP_ALIVE = 1U << 1, /* HTTP/1.0 only: it asked to stay, and must be told yes */
	REQUEST_CHUNKED = 1U << 2,    /* content follows in chunks */
	REQUEST_CONTINUE = 1U << 3,   /* waits for 100 before it sends its content */
};

struct request {
	enum method method;
	unsigned minor; /* HTTP/1.minor */
	unsigned flags; /* enum request_flags */
	unsigned seen;  /* 1 << enum field, for each that was there */
	struct slice line, method_text, target;
	struct slice field[FIELDS];
	uint64_t content_length;
	size_t head_bytes; /* where the content, or the next request, begins */
};

struct request_limits {
	size_t line_bytes; /* request line, else 414 */
	size_t head_bytes; /* whole head, else 431 */
};

/*
 * Returns 0 when a head is complete and sound, -EAGAIN when it is sound so far but not complete, else
 * the status to refuse it with (400, 414, 417, 431, 501, 505); the connection must then end, because
 * where the next request begins is not known.
 */
int request_parse(struct request *request, const char *at, size_t len,
		  const struct request_limits *limits);

#endif

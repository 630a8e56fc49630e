/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Just enough of an HTTP/1.1 response (RFC 9112) for a load generator: the status, where the body
 * ends, whether the connection stays open, and one header that names the worker.
 */
#ifndef BENCH_RESPONSE_H
#define BENCH_RESPONSE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RESPONSE_HEAD_MAX = 2048, RESPONSE_LABEL_MAX = 64 };

struct response {
	char head[RESPONSE_HEAD_MAX];
	size_t have;
	long body_left; /* bytes of the body still to come; -1: it ends with the connection */
	int status;
	bool complete_head;
	bool close;
	char label[RESPONSE_LABEL_MAX]; /* of the header asked for, or "" */
};

static inline void response_reset(struct response *r)
{
	r->have = 0;
	r->body_left = -1;
	r->status = 0;
	r->complete_head = r->close = false;
	r->label[0] = '\0';
}

static inline void response_header(struct response *r, char *line, const char *label)
{
	char *value = strchr(line, ':');

	if (!value)
		return;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (!strcasecmp(line, "content-length"))
		r->body_left = strtol(value, NULL, 10);
	else if (!strcasecmp(line, "connection"))
		r->close = !strcasecmp(value, "close");
	else if (label && !strcasecmp(line, label))
		memccpy(r->label, value, '\0', sizeof(r->label) - 1);
}

static inline int response_parse_head(struct response *r, const char *label)
{
	char *line, *rest = r->head;

	line = strsep(&rest, "\n");
	if (strncmp(line, "HTTP/1.", 7) || strlen(line) < 12)
		return -1;
	r->status = (int)strtol(line + 9, NULL, 10);
	while ((line = strsep(&rest, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		response_header(r, line, label);
	}
	r->complete_head = true;
	return 0;
}

/*
 * Takes `size` bytes that came.  1: the response is complete; 0: more is needed; -1: this is no
 * response that we understand.
 */
static inline int response_feed(struct response *r, const char *data, size_t size,
				const char *label)
{
	if (!r->complete_head) {
		size_t take = sizeof(r->head) - 1 - r->have;
		size_t before = r->have;
		char *end;

		take = take < size ? take : size;
		memcpy(r->head + r->have, data, take);
		r->have += take;
		r->head[r->have] = '\0';
		end = strstr(r->head, "\r\n\r\n");
		if (!end)
			return r->have == sizeof(r->head) - 1 ? -1 : 0;
		*end = '\0';
		size -= (size_t)(end + 4 - r->head) - before;
		if (response_parse_head(r, label))
			return -1;
	}
	if (r->body_left < 0)
		return 0;
	if ((long)size > r->body_left)
		return -1;
	r->body_left -= (long)size;
	return r->body_left == 0;
}

#endif

// SPDX-License-Identifier: Apache-2.0
#include "static/http/request.h"

#include <errno.h>

enum { FIELD_LINES_MAX = 100 };

enum {
	TOKEN = 1U << 0,  /* RFC 9110, 5.6.2: tchar */
	TARGET = 1U << 1, /* visible ASCII without '#', which never reaches a server */
	VALUE = 1U << 2,  /* RFC 9110, 5.5: field-vchar, SP, HTAB, obs-text */
	AUTHORITY = 1U << 3,
};

static const unsigned char classes[256] = {
	['\t'] = VALUE,
	[' '] = VALUE,
	['!'] = TOKEN | TARGET | VALUE | AUTHORITY,
	['"'] = TARGET | VALUE,
	['#'] = TOKEN | VALUE,
	['$' ... '\''] = TOKEN | TARGET | VALUE | AUTHORITY,
	['(' ... ')'] = TARGET | VALUE | AUTHORITY,
	['*' ... '+'] = TOKEN | TARGET | VALUE | AUTHORITY,
	[','] = TARGET | VALUE | AUTHORITY,
	['-' ... '.'] = TOKEN | TARGET | VALUE | AUTHORITY,
	['/'] = TARGET | VALUE,
	['0' ... '9'] = TOKEN | TARGET | VALUE | AUTHORITY,
	[':' ... ';'] = TARGET | VALUE | AUTHORITY,
	['<'] = TARGET | VALUE,
	['='] = TARGET | VALUE | AUTHORITY,
	['>' ... '@'] = TARGET | VALUE,
	['A' ... 'Z'] = TOKEN | TARGET | VALUE | AUTHORITY,
	['['] = TARGET | VALUE | AUTHORITY,
	['\\'] = TARGET | VALUE,
	[']'] = TARGET | VALUE | AUTHORITY,
	['^'] = TOKEN | TARGET | VALUE,
	['_'] = TOKEN | TARGET | VALUE | AUTHORITY,
	['`'] = TOKEN | TARGET | VALUE,
	['a' ... 'z'] = TOKEN | TARGET | VALUE | AUTHORITY,
	['{'] = TARGET | VALUE,
	['|'] = TOKEN | TARGET | VALUE,
	['}'] = TARGET | VALUE,
	['~'] = TOKEN | TARGET | VALUE | AUTHORITY,
	[0x80 ... 0xff] = VALUE,
};

static const struct {
	const char *name;
	unsigned char len;
	bool once; /* a second one makes the request ambiguous, and refused */
} known[FIELDS] = {
	[FIELD_HOST] = {"host", 4, true},
	[FIELD_CONNECTION] = {"connection", 10, false},
	[FIELD_CONTENT_LENGTH] = {"content-length", 14, true},
	[FIELD_TRANSFER_ENCODING] = {"transfer-encoding", 17, true},
	[FIELD_EXPECT] = {"expect", 6, true},
	[FIELD_RANGE] = {"range", 5, false},
	[FIELD_IF_RANGE] = {"if-range", 8, false},
	[FIELD_IF_MATCH] = {"if-match", 8, false},
	[FIELD_IF_NONE_MATCH] = {"if-none-match", 13, false},
	[FIELD_IF_MODIFIED_SINCE] = {"if-modified-since", 17, false},
	[FIELD_IF_UNMODIFIED_SINCE] = {"if-unmodified-since", 19, false},
	[FIELD_ACCEPT_ENCODING] = {"accept-encoding", 15, false},
	[FIELD_AUTHORIZATION] = {"authorization", 13, true},
	[FIELD_REFERER] = {"referer", 7, false},
	[FIELD_USER_AGENT] = {"user-agent", 10, false},
};

struct cursor {
	const char *at, *end;
};

/* Takes the bytes of one class. */
static struct slice take_class(struct cursor *cursor, unsigned class)
{
	struct slice slice = {cursor->at, 0};

	while (cursor->at < cursor->end && classes[(unsigned char)*cursor->at] & class)
		cursor->at++;
	slice.len = cursor->at - slice.at;
	return slice;
}

/* Takes one byte: 0, or -EAGAIN at the end, or 400 when it is another. */
static int expect_byte(struct cursor *cursor, char byte)
{
	if (cursor->at == cursor->end)
		return -EAGAIN;
	if (*cursor->at != byte)
		return 400;
	cursor->at++;
	return 0;
}

/* A line ends with CRLF; a bare LF is allowed here (RFC 9112, 2.2), a bare CR nowhere. */
static int expect_line_end(struct cursor *cursor)
{
	if (cursor->at < cursor->end && *cursor->at == '\r')
		cursor->at++;
	return expect_byte(cursor, '\n');
}

static enum method method_find(struct slice text)
{
	if (slice_is(text, "GET"))
		return METHOD_GET;
	if (slice_is(text, "HEAD"))
		return METHOD_HEAD;
	return slice_is(text, "OPTIONS") ? METHOD_OPTIONS : METHOD_OTHER;
}

/* "HTTP/1.minor": RFC 9112, 2.3. A higher minor is spoken to as 1.1. */
static int take_version(struct request *request, struct cursor *cursor)
{
	static const char name[] = "HTTP/";
	const char *digits;

	for (unsigned i = 0; name[i]; i++) {
		int status = expect_byte(cursor, name[i]);

		if (status)
			return status;
	}
	digits = cursor->at;
	if (cursor->end - digits < 3)
		return -EAGAIN;
	if (digits[0] < '0' || digits[0] > '9' || digits[1] != '.' || digits[2] < '0' ||
	    digits[2] > '9')
		return 400;
	if (digits[0] != '1')
		return 505;
	request->minor = digits[2] - '0';
	cursor->at += 3;
	return 0;
}

static int take_request_line(struct request *request, struct cursor *cursor)
{
	const char *start = cursor->at;
	int status;

	request->method_text = take_class(cursor, TOKEN);
	if (!request->method_text.len && cursor->at < cursor->end)
		return 400;
	if ((status = expect_byte(cursor, ' ')))
		return status;
	request->target = take_class(cursor, TARGET);
	if (!request->target.len && cursor->at < cursor->end)
		return 400;
	if ((status = expect_byte(cursor, ' ')) || (status = take_version(request, cursor)))
		return status;
	request->line = (struct slice){start, cursor->at - start};
	request->method = method_find(request->method_text);
	return expect_line_end(cursor);
}

static int remember_header(struct request *request, struct slice name, struct slice value);

/* One "name: value"; a fold, or a space before the colon, is refused (RFC 9112, 5.1 and 5.2). */
static int take_field(struct request *request, struct cursor *cursor)
{
	struct slice name = take_class(cursor, TOKEN), value;
	int status;

	if (!name.len)
		return 400;
	if ((status = expect_byte(cursor, ':')))
		return status;
	value = take_class(cursor, VALUE);
	if ((status = expect_line_end(cursor)))
		return status;
	return remember_header(request, name, slice_trim(value));
}

static int take_connection(struct request *request, struct slice value)
{
	struct slice item;

	while (slice_next(&value, ',', &item)) {
		if (slice_is_nocase(item, "close"))
			request->flags |= REQUEST_CLOSE;
		else if (slice_is_nocase(item, "keep-alive"))
			request->flags |= REQUEST_KEEP_ALIVE;
	}
	return 0;
}

static int remember_header(struct request *request, struct slice name, struct slice value)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		if (name.len != known[i].len || strncasecmp(name.at, known[i].name, name.len))
			continue;
		if (i == FIELD_CONNECTION)
			return take_connection(request, value);
		if (request->field[i].at && known[i].once)
			return 400;
		/* Several lines would have to be joined to mean what they say: taken as not sent. */
		if (request->field[i].at)
			value.len = 0;
		request->field[i] = value;
		request->seen |= 1U << i;
		return 0;
	}
	return 0;
}

static int check_host(const struct request *request)
{
	struct slice host = request->field[FIELD_HOST];

	if (!host.at)
		return request->minor ? 400 : 0;
	for (size_t i = 0; i < host.len; i++)
		if (!(classes[(unsigned char)host.at[i]] & AUTHORITY))
			return 400;
	return 0;
}

/* Decimal digits only; a list, a sign or an overflow is refused (RFC 9112, 6.3). */
static int take_content_length(struct request *request)
{
	struct slice value = request->field[FIELD_CONTENT_LENGTH];

	if (!value.at)
		return 0;
	if (!value.len || value.len > 18)
		return 400;
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return 400;
		request->content_length = request->content_length * 10 + (value.at[i] - '0');
	}
	return 0;
}

/* Both framings at once, or chunks in HTTP/1.0, are how requests are smuggled (RFC 9112, 6.1). */
static int check_framing(struct request *request)
{
	struct slice coding = request->field[FIELD_TRANSFER_ENCODING];

	if (!coding.at)
		return take_content_length(request);
	if (request->field[FIELD_CONTENT_LENGTH].at || !request->minor)
		return 400;
	if (!slice_is_nocase(coding, "chunked"))
		return 501;
	request->flags |= REQUEST_CHUNKED;
	return 0;
}

static int check_expect(struct request *request)
{
	struct slice value = request->field[FIELD_EXPECT];

	if (!value.at || !request->minor)
		return 0;
	if (!slice_is_nocase(value, "100-continue"))
		return 417;
	if (request->content_length || request->flags & REQUEST_CHUNKED)
		request->flags |= REQUEST_CONTINUE;
	return 0;
}

static int check_head(struct request *request)
{
	int status;

	if ((status = check_host(request)) || (status = check_framing(request)) ||
	    (status = check_expect(request)))
		return status;
	if (request->minor)
		request->flags &= ~REQUEST_KEEP_ALIVE;
	else if (!(request->flags & REQUEST_KEEP_ALIVE))
		request->flags |= REQUEST_CLOSE;
	return 0;
}

static int take_head(struct request *request, struct cursor *cursor)
{
	unsigned lines = 0;
	int status;

	/* Empty lines before a request are skipped (RFC 9112, 2.2); the head's limit bounds them. */
	while (cursor->at < cursor->end && (*cursor->at == '\r' || *cursor->at == '\n'))
		if ((status = expect_line_end(cursor)))
			return status;
	if ((status = take_request_line(request, cursor)))
		return status;
	for (;;) {
		if (cursor->at == cursor->end)
			return -EAGAIN;
		if (*cursor->at == '\r' || *cursor->at == '\n')
			return expect_line_end(cursor);
		if (++lines > FIELD_LINES_MAX)
			return 431;
		if ((status = take_field(request, cursor)))
			return status;
	}
}

int request_parse(struct request *request, const char *at, size_t len,
		  const struct request_limits *limits)
{
	struct cursor cursor = {at, at + len};
	int status;

	memset(request, 0, sizeof(*request));
	status = take_head(request, &cursor);
	if (status > 0)
		return status;
	request->head_bytes = cursor.at - at;
	if (request->target.len > limits->line_bytes || request->line.len > limits->line_bytes)
		return 414;
	if (request->head_bytes > limits->head_bytes)
		return 431;
	return status ? status : check_head(request);
}

// SPDX-License-Identifier: Apache-2.0
#include "static/answer/content.h"

#include <errno.h>

void content_start(struct content *content, const struct request *request)
{
	*content = (struct content){0};
	if (request->flags & REQUEST_CHUNKED) {
		content->state = CONTENT_CHUNK_SIZE;
	} else if (request->content_length) {
		content->state = CONTENT_LENGTH;
		content->left = request->content_length;
	}
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A digit of the size, or what ends it.  15 digits are more than anybody sends. */
static enum content_state size_byte(struct content *content, char c)
{
	int digit = hex(c);

	if (digit >= 0 && content->digits < 15) {
		content->left = content->left << 4 | digit;
		content->digits++;
		return CONTENT_CHUNK_SIZE;
	}
	if (digit >= 0 || !content->digits)
		return CONTENT_NONE;
	if (c == '\r')
		return CONTENT_CHUNK_LF;
	return c == ';' || c == ' ' || c == '\t' ? CONTENT_CHUNK_EXTENSION : CONTENT_NONE;
}

/* Where one byte of framing leads; CONTENT_NONE: nowhere, it is malformed.  CRLF alone ends lines. */
static enum content_state next_state(struct content *content, char c)
{
	switch (content->state) {
	case CONTENT_CHUNK_SIZE:
		return size_byte(content, c);
	case CONTENT_CHUNK_EXTENSION:
		return c == '\r'         ? CONTENT_CHUNK_LF
		       : c == '\n' || !c ? CONTENT_NONE
					 : CONTENT_CHUNK_EXTENSION;
	case CONTENT_CHUNK_LF:
		if (c != '\n')
			return CONTENT_NONE;
		content->digits = 0;
		return content->left ? CONTENT_CHUNK_DATA : CONTENT_TRAILER;
	case CONTENT_CHUNK_END:
		return c == '\r' ? CONTENT_CHUNK_END_LF : CONTENT_NONE;
	case CONTENT_CHUNK_END_LF:
		return c == '\n' ? CONTENT_CHUNK_SIZE : CONTENT_NONE;
	case CONTENT_TRAILER:
		return c == '\r'   ? CONTENT_LAST_LF
		       : c == '\n' ? CONTENT_NONE
				   : CONTENT_TRAILER_LINE;
	case CONTENT_TRAILER_LINE:
		return c == '\r'         ? CONTENT_TRAILER_LF
		       : c == '\n' || !c ? CONTENT_NONE
					 : CONTENT_TRAILER_LINE;
	case CONTENT_TRAILER_LF:
		return c == '\n' ? CONTENT_TRAILER : CONTENT_NONE;
	default:
		return CONTENT_NONE;
	}
}

static size_t skip_data(struct content *content, size_t len)
{
	size_t bytes = content->left < len ? content->left : len;

	content->left -= bytes;
	if (!content->left)
		content->state =
			content->state == CONTENT_LENGTH ? CONTENT_NONE : CONTENT_CHUNK_END;
	return bytes;
}

int content_skip(struct content *content, const char *at, size_t len, size_t *used)
{
	size_t done = 0;
	int err = 0;

	while (done < len && !err && content->state != CONTENT_NONE) {
		if (content->state == CONTENT_LENGTH || content->state == CONTENT_CHUNK_DATA) {
			done += skip_data(content, len - done);
			continue;
		}
		if (content->state == CONTENT_LAST_LF) {
			err = at[done++] == '\n' ? 0 : -EINVAL;
			content->state = CONTENT_NONE;
			continue;
		}
		content->state = next_state(content, at[done++]);
		if (content->state == CONTENT_NONE)
			err = -EINVAL;
	}
	*used = done;
	content->seen += done;
	return err ? err : content->state == CONTENT_NONE ? 0 : -EAGAIN;
}

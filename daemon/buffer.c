/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

char *buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t wanted = buffer->length + size;
	char *bytes;

	if (wanted > buffer->room || !buffer->bytes) {
		if (wanted < 2 * buffer->room)
			wanted = 2 * buffer->room;
		bytes = realloc(buffer->bytes, wanted ? wanted : 1);
		if (!bytes)
			return NULL;
		buffer->bytes = bytes;
		buffer->room = wanted;
	}
	return buffer->bytes + buffer->length;
}

int buffer_add(struct buffer *buffer, const void *bytes, size_t size)
{
	char *room = buffer_reserve(buffer, size);

	if (!room)
		return -ENOMEM;
	memcpy(room, bytes, size);
	buffer->length += size;
	return 0;
}

void buffer_drop(struct buffer *buffer, size_t size)
{
	buffer->length -= size;
	if (!buffer->length)
		buffer_free(buffer);
	else
		memmove(buffer->bytes, buffer->bytes + size, buffer->length);
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->bytes);
	*buffer = (struct buffer){0};
}

/* Bytes of the UTF-8 sequence at text (RFC 3629), 0 when it is none; jansson judges the details. */
static size_t utf8_length(const char *text)
{
	unsigned char first = *text;
	size_t length = first < 0x80   ? 1
			: first < 0xc0 ? 0
			: first < 0xe0 ? 2
			: first < 0xf0 ? 3
				       : 4;
	json_t *probe;

	if (length < 2)
		return length;
	probe = strnlen(text, length) == length ? json_stringn(text, length) : NULL;
	json_decref(probe);
	return probe ? length : 0;
}

json_t *buffer_json_string(const char *text)
{
	json_t *string = json_string(text);
	char *clean, *at;
	size_t length;

	if (string)
		return string;
	clean = strdup(text);
	if (!clean)
		return NULL;
	for (at = clean; *at; at += length) {
		length = utf8_length(at);
		if (!length) {
			*at = '?';
			length = 1;
		}
	}
	string = json_string(clean);
	free(clean);
	return string;
}

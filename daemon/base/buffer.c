/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <errno.h>
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

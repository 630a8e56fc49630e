/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way in or out. Zeroed is empty; memory is given back when it runs empty. */
#ifndef LB_BUFFER_H
#define LB_BUFFER_H

#include <stddef.h>

struct buffer {
	char *bytes;
	size_t length, room;
};

/* Room for `size` more bytes, which the caller writes and adds to length; NULL: no memory. */
char *buffer_reserve(struct buffer *buffer, size_t size);
int buffer_add(struct buffer *buffer, const void *bytes, size_t size); /* 0 or -ENOMEM */
void buffer_drop(struct buffer *buffer, size_t size);                  /* from the front */
void buffer_free(struct buffer *buffer);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/read_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/open_file.h"

enum { READ_BYTES = 16384 };

struct text {
	char *bytes;
	size_t length, room, most;
};

/* For one byte at least, and the NUL. */
static int make_room(struct text *text)
{
	size_t room = text->room ? text->room * 2 : READ_BYTES;
	char *bytes;

	if (text->length > text->most)
		return -EFBIG;
	if (text->length + 1 < text->room)
		return 0;
	bytes = realloc(text->bytes, room);
	if (!bytes)
		return -ENOMEM;
	text->bytes = bytes;
	text->room = room;
	return 0;
}

static int read_all(int fd, struct text *text)
{
	ssize_t got;

	do {
		int code = make_room(text);

		if (code)
			return code;
		got = read(fd, text->bytes + text->length, text->room - text->length - 1);
		if (got < 0)
			return -errno;
		text->length += (size_t)got;
	} while (got > 0);
	text->bytes[text->length] = 0;
	return text->length > text->most ? -EFBIG : 0;
}

int read_file(const char *what, const char *path, uid_t user, size_t most, char **bytes,
	      size_t *length, struct error *error)
{
	int fd = open_file(what, path, O_RDONLY, user, error), code;
	struct text text = {.most = most};

	if (fd < 0)
		return fd;
	code = read_all(fd, &text);
	close(fd);
	if (code) {
		free(text.bytes);
		return error_set(error, code, "%s%s: %s", what, path,
				 code == -EFBIG ? "is too large" : strerror(-code));
	}
	*bytes = text.bytes;
	*length = text.length;
	return 0;
}

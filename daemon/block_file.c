/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"

enum { FILE_BYTES_MAX = 16 << 20, READ_BYTES = 16384 };

struct text {
	char *bytes;
	size_t length, room;
};

static int make_room(struct text *text)
{
	size_t room = text->room ? text->room * 2 : READ_BYTES;
	char *bytes;

	if (text->length < text->room)
		return 0;
	if (text->length > FILE_BYTES_MAX)
		return -EFBIG;
	bytes = realloc(text->bytes, room);
	if (!bytes)
		return -ENOMEM;
	text->bytes = bytes;
	text->room = room;
	return 0;
}

/* Everything that fd has, up to the limit. */
static int read_all(int fd, struct text *text)
{
	ssize_t got;

	do {
		int code = make_room(text);

		if (code)
			return code;
		got = read(fd, text->bytes + text->length, text->room - text->length);
		if (got < 0)
			return -errno;
		text->length += (size_t)got;
	} while (got > 0);
	return text->length > FILE_BYTES_MAX ? -EFBIG : 0;
}

int block_parse_file(const char *path, struct block **root, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct text text = {0};
	int code;

	if (fd < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	code = read_all(fd, &text);
	close(fd);
	if (code)
		error_set(error, code, "%s: %s", path, strerror(-code));
	else
		code = block_parse(path, text.bytes, text.length, root, error);
	free(text.bytes);
	return code;
}

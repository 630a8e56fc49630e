/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/open_file.h"

enum { TAIL_BYTES = 16384 };

/* Where the last lines begin; the first one read is whole only if the file begins with it. */
static const char *find_start(const char *text, size_t bytes, unsigned lines, bool is_whole)
{
	const char *at = text + bytes;

	if (bytes && at[-1] == '\n')
		at--;
	while (lines--) {
		at = at > text ? memrchr(text, '\n', at - text) : NULL;
		if (!at)
			break;
	}
	if (at)
		return at + 1;
	at = is_whole ? NULL : memchr(text, '\n', bytes);
	return at && at + 1 < text + bytes ? at + 1 : text;
}

struct tail_mark tail_mark(const char *path, uid_t user)
{
	struct tail_mark mark = {0};
	struct error ignored;
	struct stat st;
	int fd = open_file("log ", path, O_RDONLY, user, &ignored);

	if (fd < 0)
		return mark;
	if (!fstat(fd, &st))
		mark = (struct tail_mark){st.st_ino, (uint64_t)st.st_size};
	close(fd);
	return mark;
}

static off_t first_offset(const struct stat *st, const struct tail_mark *since)
{
	bool is_same = since && since->inode == st->st_ino;

	return is_same && since->size <= (uint64_t)st->st_size ? (off_t)since->size : 0;
}

char *tail_lines(const char *path, unsigned lines, uid_t user, const struct tail_mark *since,
		 size_t *bytes)
{
	char *text = NULL, *tail = NULL;
	struct error ignored;
	const char *start;
	struct stat st;
	off_t first, from;
	ssize_t n;
	int fd = open_file("log ", path, O_RDONLY, user, &ignored);

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !(text = malloc(TAIL_BYTES)))
		goto out;
	first = first_offset(&st, since);
	from = st.st_size - first > TAIL_BYTES ? st.st_size - TAIL_BYTES : first;
	n = pread(fd, text, TAIL_BYTES, from);
	if (n <= 0)
		goto out;
	start = find_start(text, n, lines, from == first);
	*bytes = text + n - start;
	tail = malloc(*bytes + 1);
	if (tail) {
		memcpy(tail, start, *bytes);
		tail[*bytes] = 0;
	}
out:
	free(text);
	close(fd);
	return tail;
}

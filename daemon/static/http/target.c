// SPDX-License-Identifier: Apache-2.0
#include "static/http/target.h"

#include <stdio.h>

int target_split(struct slice target, struct slice *path, struct slice *query)
{
	const char *end = target.at + target.len, *mark, *start = target.at;

	*query = (struct slice){NULL, 0};
	if (target.len > 7 && !strncasecmp(start, "http://", 7))
		start += 7;
	else if (target.len > 8 && !strncasecmp(start, "https://", 8))
		start += 8;
	if (start != target.at) {
		while (start < end && *start != '/' && *start != '?')
			start++;
	}
	mark = memchr(start, '?', end - start);
	if (mark)
		*query = (struct slice){mark + 1, end - mark - 1};
	*path = (struct slice){start, (mark ? mark : end) - start};
	if (!path->len && start != target.at)
		*path = (struct slice){"/", 1};
	return path->len && *path->at == '/' ? 0 : 400;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of the path, decoded, or -1. */
static int take_byte(const char **at, const char *end)
{
	int high, low, byte = (unsigned char)*(*at)++;

	if (byte != '%')
		return byte;
	if (end - *at < 2 || (high = hex((*at)[0])) < 0 || (low = hex((*at)[1])) < 0)
		return -1;
	*at += 2;
	byte = high << 4 | low;
	return byte < 0x20 || byte == 0x7f ? -1 : byte;
}

/*
 * Called when a segment has ended: out[start..len) is what follows the last slash.  "." goes away,
 * ".." is refused: no client that means well sends it, browsers resolve it themselves.
 */
static int close_segment(const char *out, size_t start, size_t *len)
{
	size_t bytes = *len - start;

	if (bytes == 1 && out[start] == '.')
		*len = start;
	return bytes == 2 && out[start] == '.' && out[start + 1] == '.' ? 400 : 0;
}

int target_decode(struct slice path, char *out)
{
	const char *at = path.at, *end = path.at + path.len;
	size_t len = 0, start = 0;

	while (at < end) {
		int byte = take_byte(&at, end);

		if (byte < 0)
			return 400;
		if (byte == '/') {
			if (close_segment(out, start, &len))
				return 400;
			if (len && out[len - 1] == '/')
				continue;
			start = len + 1;
		}
		if (len == PATH_BYTES - 1)
			return 414;
		out[len++] = byte;
	}
	if (close_segment(out, start, &len))
		return 400;
	out[len] = '\0';
	return 0;
}

bool target_is_hidden(const char *path)
{
	if (!strncmp(path, "/.well-known/", 13))
		path += 12;
	return strstr(path, "/.") != NULL;
}

size_t target_encode(const char *path, char *out, size_t room)
{
	static const char plain[] = "/-._~!$&'()*+,;=:@";
	size_t len = 0;

	for (; *path && len + 4 < room; path++) {
		unsigned char c = *path;

		if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		    strchr(plain, c))
			out[len++] = c;
		else
			len += sprintf(out + len, "%%%02X", c);
	}
	out[len] = '\0';
	return len;
}

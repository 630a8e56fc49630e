/* SPDX-License-Identifier: Apache-2.0 */
/* A run of bytes inside a buffer that somebody else owns; at is NULL when there is none. */
#ifndef LBSTATIC_SLICE_H
#define LBSTATIC_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *at;
	size_t len;
};

static inline struct slice slice_of(const char *text)
{
	return (struct slice){text, strlen(text)};
}

static inline bool slice_is(struct slice slice, const char *text)
{
	return slice.len == strlen(text) && !memcmp(slice.at, text, slice.len);
}

static inline bool slice_is_nocase(struct slice slice, const char *text)
{
	return slice.len == strlen(text) && (!slice.len || !strncasecmp(slice.at, text, slice.len));
}

/* Without the optional whitespace (RFC 9110, 5.6.3) around it. */
static inline struct slice slice_trim(struct slice slice)
{
	while (slice.len && (*slice.at == ' ' || *slice.at == '\t')) {
		slice.at++;
		slice.len--;
	}
	while (slice.len && (slice.at[slice.len - 1] == ' ' || slice.at[slice.len - 1] == '\t'))
		slice.len--;
	return slice;
}

/* Takes what stands before the next separator off the front of rest, trimmed; false at the end. */
static inline bool slice_next(struct slice *rest, char separator, struct slice *item)
{
	const char *found;

	if (!rest->at)
		return false;
	found = memchr(rest->at, separator, rest->len);
	item->at = rest->at;
	item->len = found ? (size_t)(found - rest->at) : rest->len;
	if (found) {
		rest->len -= item->len + 1;
		rest->at = found + 1;
	} else {
		rest->at = NULL;
		rest->len = 0;
	}
	*item = slice_trim(*item);
	return true;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "printable.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bytes of the character that begins here, and which it is; 0: no UTF-8. */
static size_t decode(const unsigned char *at, uint32_t *code)
{
	size_t length = *at < 0x80 ? 1 : *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : 4;

	if (!length || *at > 0xf4)
		return 0;
	*code = length == 1 ? *at : *at & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (at[i] & 0x3f);
	}
	/* Longer than need be, it would be another character in disguise. */
	if ((length == 3 && *code < 0x800) || (length == 4 && *code < 0x10000))
		return 0;
	return length;
}

static bool is_obeyed(uint32_t code)
{
	return (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void printable(char *text)
{
	while (*text) {
		uint32_t code = 0;
		size_t length = decode((unsigned char *)text, &code);

		if (!length || is_obeyed(code))
			memset(text, '?', length ? length : 1);
		text += length ? length : 1;
	}
}

void printable_line(char *text)
{
	printable(text);
	for (; *text; text++)
		if (*text == '\n' || *text == '\t')
			*text = ' ';
}

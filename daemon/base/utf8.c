/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

static size_t length_of(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

size_t utf8_decode(const char *text, size_t left, uint32_t *code)
{
	size_t length = length_of(*text);

	if (!length || length > left)
		return 0;
	*code = length == 1 ? (unsigned char)*text : (unsigned char)*text & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3f);
	}
	/* Longer than need be, it would be another character in disguise. */
	if ((length == 3 && *code < 0x800) || (length == 4 && *code < 0x10000))
		return 0;
	return *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000) ? 0 : length;
}

size_t utf8_unfinished(const char *text, size_t length)
{
	size_t back = 1;

	while (back < 4 && back <= length && (text[length - back] & 0xc0) == 0x80)
		back++;
	if (back >= 4 || back > length || length_of(text[length - back]) <= back)
		return 0;
	return back;
}

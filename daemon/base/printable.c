/* SPDX-License-Identifier: Apache-2.0 */
#include "base/printable.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

static bool is_obeyed(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} obeyed[] = {
		{0x00, 0x08},       {0x0b, 0x1f},       {0x7f, 0x9f},     /* C0, DEL and C1 */
		{0x34f, 0x34f},     {0x61c, 0x61c},                       /* CGJ, ALM */
		{0x115f, 0x1160},   {0x3164, 0x3164},   {0xffa0, 0xffa0}, /* Hangul fillers */
		{0x17b4, 0x17b5},   {0x180e, 0x180e},                     /* Khmer vowels, MVS */
		{0x200b, 0x200b},   {0x200e, 0x200f},                     /* ZWSP, LRM, RLM */
		{0x2028, 0x202e},                     /* line ends, embeddings */
		{0x2060, 0x206f},   {0xfeff, 0xfeff}, /* WJ, isolates, BOM */
		{0xfff0, 0xfffd},                     /* unassigned, annotations; replaced bytes */
		{0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, /* of shorthand, of music */
		{0xe0000, 0xe0fff},                     /* tags, more variation selectors */
	};

	for (size_t i = 0; i < sizeof(obeyed) / sizeof(*obeyed); i++)
		if (code >= obeyed[i].first && code <= obeyed[i].last)
			return true;
	return false;
}

size_t printable(char *text, size_t length)
{
	size_t used = 0;

	for (size_t at = 0; at < length;) {
		uint32_t code = 0;
		size_t whole = utf8_decode(text + at, length - at, &code);

		if (!whole || is_obeyed(code)) {
			text[used++] = '?';
		} else {
			memmove(text + used, text + at, whole);
			used += whole;
		}
		at += whole ? whole : 1;
	}
	text[used] = 0;
	return used;
}

size_t printable_line(char *text, size_t length)
{
	length = printable(text, length);
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\n' || text[i] == '\t')
			text[i] = ' ';
	return length;
}

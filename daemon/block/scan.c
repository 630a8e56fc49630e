/* SPDX-License-Identifier: Apache-2.0 */
#include "block/scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int scan_add(struct text *text, char byte)
{
	if (text->length == text->room) {
		size_t room = text->room ? text->room * 2 : 256;
		char *bytes = realloc(text->bytes, room);

		if (!bytes)
			return -ENOMEM;
		text->bytes = bytes;
		text->room = room;
	}
	text->bytes[text->length++] = byte;
	return 0;
}

int scan_refuse(struct parser *parser, unsigned line, unsigned column, const char *format, ...)
{
	char text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(parser->error, -EINVAL, "%s:%u:%u: %s", parser->file, line, column, text);
}

int scan_no_memory(struct parser *parser)
{
	return error_set(parser->error, -ENOMEM, "%s: out of memory", parser->file);
}

void scan_advance(struct parser *parser)
{
	if (*parser->at == '\n') {
		parser->line++;
		parser->column = 0;
	}
	/* Columns count characters: the bytes that continue one of UTF-8 do not. */
	parser->at++;
	if (parser->at == parser->end || (*parser->at & 0xc0) != 0x80)
		parser->column++;
}

bool scan_is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static int add_byte(struct parser *parser, char byte, size_t start)
{
	if (byte == '\0')
		return scan_refuse(parser, parser->line, parser->column,
				   "found a NUL byte; text is allowed");
	if (parser->words.length - start >= WORD_MAX)
		return scan_refuse(
			parser, parser->line, parser->column,
			"found a word of more than %d bytes; up to that many are allowed",
			WORD_MAX);
	return scan_add(&parser->words, byte) ? scan_no_memory(parser) : 0;
}

/* The byte that \x stands for within quotes, or 0 when the backslash stands for itself. */
static char unescape(char byte)
{
	switch (byte) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '"':
	case '\'':
	case '\\':
		return byte;
	default:
		return '\0';
	}
}

static int read_quoted(struct parser *parser, size_t start)
{
	unsigned line = parser->line, column = parser->column;
	char quote = *parser->at, byte;

	scan_advance(parser);
	while (parser->at < parser->end && *parser->at != quote) {
		int code;

		byte = *parser->at;
		if (byte == '\\' && parser->at + 1 < parser->end && unescape(parser->at[1])) {
			scan_advance(parser);
			byte = unescape(*parser->at);
		}
		code = add_byte(parser, byte, start);
		if (code)
			return code;
		scan_advance(parser);
	}
	if (parser->at == parser->end)
		return scan_refuse(parser, line, column,
				   "found a quote that is never closed; end it "
				   "with another %c",
				   quote);
	scan_advance(parser);
	/* `if ($name = "text") {` of nginx.conf: a word of its own. */
	if (parser->at < parser->end && !scan_is_space(*parser->at) && !strchr(";{})", *parser->at))
		return scan_refuse(
			parser, parser->line, parser->column,
			"found text right after a closing quote; white space, ; or { is allowed");
	return 0;
}

/* Whether the { here belongs to ${name} or $ENV{NAME}. */
static bool opens_variable(const struct parser *parser, size_t start)
{
	size_t length = parser->words.length - start;
	const char *word = parser->words.bytes + start;

	return (length >= 1 && word[length - 1] == '$') ||
	       (length >= 4 && memcmp(word + length - 4, "$ENV", 4) == 0);
}

static int read_bare(struct parser *parser, size_t start)
{
	bool variable = false;
	int code;

	for (; parser->at < parser->end; scan_advance(parser)) {
		char byte = *parser->at;

		if (byte == '{' && !variable && opens_variable(parser, start))
			variable = true;
		else if (byte == '}' && variable)
			variable = false;
		else if (scan_is_space(byte) || byte == ';' || byte == '{' || byte == '}')
			break;
		if (byte == '"' || byte == '\'')
			return scan_refuse(parser, parser->line, parser->column,
					   "found a quote inside a word; quote the whole word");
		code = add_byte(parser, byte, start);
		if (code)
			return code;
	}
	return 0;
}

int scan_word(struct parser *parser)
{
	bool is_quoted = *parser->at == '"' || *parser->at == '\'';
	bool begins_line = parser->count && parser->line != parser->word_line;
	size_t start = parser->words.length;
	int code;

	if (parser->count == WORDS_MAX)
		return scan_refuse(parser, parser->line, parser->column,
				   "found a directive of more than %d words; end it with ; or {",
				   WORDS_MAX);
	parser->starts[parser->count] = begins_line && !is_quoted ? parser->line : 0;
	if (is_quoted)
		code = read_quoted(parser, start);
	else
		code = read_bare(parser, start);
	if (code)
		return code;
	parser->word_line = parser->line;
	parser->offsets[parser->count++] = start;
	return scan_add(&parser->words, '\0') ? scan_no_memory(parser) : 0;
}

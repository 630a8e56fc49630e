/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "block/file_name.h"
#include "block/tree.h"

enum { DEPTH_MAX = 16, WORD_MAX = 65536, WORDS_MAX = 4096 };

struct text {
	char *bytes;
	size_t length, room;
};

struct parser {
	const char *at, *end;
	const char *file;
	unsigned line, column;
	unsigned last_line; /* where the last directive's ; or { was: owns a comment on that line */
	struct block *last; /* that directive */
	struct text words;  /* of the directive being read, each ended by NUL */
	size_t offsets[WORDS_MAX];
	unsigned starts[WORDS_MAX]; /* as block.h has line_starts */
	size_t count;
	unsigned word_line;  /* where the last word ended */
	struct text comment; /* lines not owned yet */
	struct error *error;
};

static int text_add(struct text *text, char byte)
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

__attribute__((format(printf, 4, 5))) static int refuse(struct parser *parser, unsigned line,
							unsigned column, const char *format, ...)
{
	char text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return error_set(parser->error, -EINVAL, "%s:%u:%u: %s", parser->file, line, column, text);
}

static int out_of_memory(struct parser *parser)
{
	return error_set(parser->error, -ENOMEM, "%s: out of memory", parser->file);
}

static void advance(struct parser *parser)
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

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Adds a line to the comment of a directive that is in the tree already. */
static int comment_extend(struct block *block, const char *line, size_t length)
{
	size_t had = block->comment ? strlen(block->comment) : 0;
	char *comment = realloc(block->comment, had + length + 2);

	if (!comment)
		return -ENOMEM;
	block->comment = comment;
	if (had)
		comment[had++] = '\n';
	memcpy(comment + had, line, length);
	comment[had + length] = '\0';
	return 0;
}

static int read_comment(struct parser *parser)
{
	const char *start = parser->at;
	unsigned line = parser->line;
	size_t length;

	while (parser->at < parser->end && *parser->at != '\n')
		advance(parser);
	length = (size_t)(parser->at - start);
	while (length > 0 && start[length - 1] == '\r')
		length--;
	if (memchr(start, '\0', length))
		return refuse(parser, line, 1, "found a NUL byte in a comment; text is allowed");
	if (parser->last && line == parser->last_line)
		return comment_extend(parser->last, start, length) ? out_of_memory(parser) : 0;
	if (parser->comment.length && text_add(&parser->comment, '\n'))
		return out_of_memory(parser);
	for (size_t i = 0; i < length; i++)
		if (text_add(&parser->comment, start[i]))
			return out_of_memory(parser);
	return 0;
}

/* White space, and comments where a word could start. */
static int skip(struct parser *parser)
{
	while (parser->at < parser->end) {
		if (*parser->at == '#') {
			int code = read_comment(parser);

			if (code)
				return code;
		} else if (is_space(*parser->at)) {
			advance(parser);
		} else {
			break;
		}
	}
	return 0;
}

/* Takes the comment lines read so far, as a string; NULL when there are none. */
static int take_comment(struct parser *parser, char **comment)
{
	if (parser->comment.length == 0)
		return 0;
	*comment = strndup(parser->comment.bytes, parser->comment.length);
	parser->comment.length = 0;
	return *comment ? 0 : out_of_memory(parser);
}

static int add_byte(struct parser *parser, char byte, size_t start)
{
	if (byte == '\0')
		return refuse(parser, parser->line, parser->column,
			      "found a NUL byte; text is allowed");
	if (parser->words.length - start >= WORD_MAX)
		return refuse(parser, parser->line, parser->column,
			      "found a word of more than %d bytes; up to that many are allowed",
			      WORD_MAX);
	return text_add(&parser->words, byte) ? out_of_memory(parser) : 0;
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

	advance(parser);
	while (parser->at < parser->end && *parser->at != quote) {
		int code;

		byte = *parser->at;
		if (byte == '\\' && parser->at + 1 < parser->end && unescape(parser->at[1])) {
			advance(parser);
			byte = unescape(*parser->at);
		}
		code = add_byte(parser, byte, start);
		if (code)
			return code;
		advance(parser);
	}
	if (parser->at == parser->end)
		return refuse(parser, line, column,
			      "found a quote that is never closed; end it "
			      "with another %c",
			      quote);
	advance(parser);
	/* `if ($name = "text") {` of nginx.conf: a word of its own. */
	if (parser->at < parser->end && !is_space(*parser->at) && !strchr(";{})", *parser->at))
		return refuse(
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

	for (; parser->at < parser->end; advance(parser)) {
		char byte = *parser->at;

		if (byte == '{' && !variable && opens_variable(parser, start))
			variable = true;
		else if (byte == '}' && variable)
			variable = false;
		else if (is_space(byte) || byte == ';' || byte == '{' || byte == '}')
			break;
		if (byte == '"' || byte == '\'')
			return refuse(parser, parser->line, parser->column,
				      "found a quote inside a word; quote the whole word");
		code = add_byte(parser, byte, start);
		if (code)
			return code;
	}
	return 0;
}

static int read_word(struct parser *parser)
{
	bool is_quoted = *parser->at == '"' || *parser->at == '\'';
	bool begins_line = parser->count && parser->line != parser->word_line;
	size_t start = parser->words.length;
	int code;

	if (parser->count == WORDS_MAX)
		return refuse(parser, parser->line, parser->column,
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
	return text_add(&parser->words, '\0') ? out_of_memory(parser) : 0;
}

static int set_line_starts(const struct parser *parser, struct block *block)
{
	size_t bytes = parser->count * sizeof(*parser->starts);
	size_t i = 0;

	while (i < parser->count && !parser->starts[i])
		i++;
	if (i == parser->count)
		return 0;
	block->line_starts = malloc(bytes);
	if (!block->line_starts)
		return -ENOMEM;
	memcpy(block->line_starts, parser->starts, bytes);
	return 0;
}

static int set_words(struct parser *parser, struct block *block)
{
	const char *words[WORDS_MAX + 1];

	for (size_t i = 0; i < parser->count; i++)
		words[i] = parser->words.bytes + parser->offsets[i];
	words[parser->count] = NULL;
	return block_set_words(block, words) || set_line_starts(parser, block)
		       ? out_of_memory(parser)
		       : 0;
}

/* Reads words up to the ; or {, which it leaves. */
static int read_words(struct parser *parser, struct block *block)
{
	int code;

	parser->words.length = 0;
	parser->count = 0;
	while (parser->at < parser->end && *parser->at != ';' && *parser->at != '{') {
		if (*parser->at == '}')
			return refuse(parser, parser->line, parser->column,
				      "found } after \"%.60s\"; end the directive with ;",
				      parser->words.bytes);
		code = read_word(parser);
		if (!code)
			code = skip(parser);
		if (code)
			return code;
	}
	if (parser->at == parser->end)
		return refuse(parser, block->line, block->column,
			      "found the end of the file after \"%.60s\"; end the directive with ; "
			      "or {",
			      parser->words.bytes);
	return set_words(parser, block);
}

static int read_body(struct parser *parser, struct block *parent, unsigned depth);

static int read_directive(struct parser *parser, struct block *parent, unsigned depth)
{
	struct block *block = block_new(parser->file, parser->line, parser->column);
	int code;

	if (!block)
		return out_of_memory(parser);
	block_adopt(parent, block);
	code = take_comment(parser, &block->comment);
	if (code)
		return code;
	if (*parser->at == ';' || *parser->at == '{')
		return refuse(parser, parser->line, parser->column,
			      "found %c without a directive before it", *parser->at);
	code = read_words(parser, block);
	if (code)
		return code;
	block->has_body = *parser->at == '{';
	parser->last = block;
	parser->last_line = parser->line;
	advance(parser);
	return block->has_body ? read_body(parser, block, depth + 1) : 0;
}

/* Directives up to the closing } of the parent, or to the end of the file at depth 0. */
static int read_body(struct parser *parser, struct block *parent, unsigned depth)
{
	int code;

	if (depth > DEPTH_MAX)
		return refuse(parser, parent->line, parent->column,
			      "found blocks nested more than %d deep; up to that many are allowed",
			      DEPTH_MAX);
	while (!(code = skip(parser)) && parser->at < parser->end && *parser->at != '}') {
		code = read_directive(parser, parent, depth);
		if (code)
			return code;
	}
	if (!code)
		code = take_comment(parser, &parent->tail);
	if (code)
		return code;
	if (parser->at == parser->end)
		return depth == 0 ? 0
				  : refuse(parser, parent->line, parent->column,
					   "found the end of the file inside \"%.60s\"; close it "
					   "with }",
					   parent->words[0]);
	if (depth == 0)
		return refuse(parser, parser->line, parser->column, "found } that closes nothing");
	parser->last = parent;
	parser->last_line = parser->line;
	advance(parser);
	return 0;
}

int block_parse(const char *name, const char *text, size_t length, struct block **root,
		struct error *error)
{
	struct parser *parser = calloc(1, sizeof(*parser));
	struct block *top = NULL;
	int code = -ENOMEM;

	if (!parser)
		return error_set(error, code, "%s: out of memory", name);
	*parser = (struct parser){
		.at = text, .end = text + length, .line = 1, .column = 1, .error = error};
	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		parser->at += 3; /* a byte order mark */
	parser->file = block_file_new(name);
	if (parser->file)
		top = block_new(parser->file, 0, 0);
	if (top)
		code = read_body(parser, top, 0);
	else
		error_set(error, code, "%s: out of memory", name);
	block_file_unref(parser->file);
	free(parser->words.bytes);
	free(parser->comment.bytes);
	free(parser);
	if (code) {
		block_free(top);
		return code;
	}
	*root = top;
	return 0;
}

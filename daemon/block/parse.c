/* SPDX-License-Identifier: Apache-2.0 */
/* From a text to a tree: directives, the comments that belong to them, and blocks. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "block/file_name.h"
#include "block/scan.h"
#include "block/tree.h"

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
		scan_advance(parser);
	length = (size_t)(parser->at - start);
	while (length > 0 && start[length - 1] == '\r')
		length--;
	if (memchr(start, '\0', length))
		return scan_refuse(parser, line, 1,
				   "found a NUL byte in a comment; text is allowed");
	if (parser->last && line == parser->last_line)
		return comment_extend(parser->last, start, length) ? scan_no_memory(parser) : 0;
	if (parser->comment.length && scan_add(&parser->comment, '\n'))
		return scan_no_memory(parser);
	for (size_t i = 0; i < length; i++)
		if (scan_add(&parser->comment, start[i]))
			return scan_no_memory(parser);
	return 0;
}

/* White space, and comments where a word could start. */
static int skip_blanks(struct parser *parser)
{
	while (parser->at < parser->end) {
		if (*parser->at == '#') {
			int code = read_comment(parser);

			if (code)
				return code;
		} else if (scan_is_space(*parser->at)) {
			scan_advance(parser);
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
	return *comment ? 0 : scan_no_memory(parser);
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
		       ? scan_no_memory(parser)
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
			return scan_refuse(parser, parser->line, parser->column,
					   "found } after \"%.60s\"; end the directive with ;",
					   parser->words.bytes);
		code = scan_word(parser);
		if (!code)
			code = skip_blanks(parser);
		if (code)
			return code;
	}
	if (parser->at == parser->end)
		return scan_refuse(
			parser, block->line, block->column,
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
		return scan_no_memory(parser);
	block_adopt(parent, block);
	code = take_comment(parser, &block->comment);
	if (code)
		return code;
	if (*parser->at == ';' || *parser->at == '{')
		return scan_refuse(parser, parser->line, parser->column,
				   "found %c without a directive before it", *parser->at);
	code = read_words(parser, block);
	if (code)
		return code;
	block->has_body = *parser->at == '{';
	parser->last = block;
	parser->last_line = parser->line;
	scan_advance(parser);
	return block->has_body ? read_body(parser, block, depth + 1) : 0;
}

/* Directives up to the closing } of the parent, or to the end of the file at depth 0. */
static int read_body(struct parser *parser, struct block *parent, unsigned depth)
{
	int code;

	if (depth > DEPTH_MAX)
		return scan_refuse(
			parser, parent->line, parent->column,
			"found blocks nested more than %d deep; up to that many are allowed",
			DEPTH_MAX);
	while (!(code = skip_blanks(parser)) && parser->at < parser->end && *parser->at != '}') {
		code = read_directive(parser, parent, depth);
		if (code)
			return code;
	}
	if (!code)
		code = take_comment(parser, &parent->tail);
	if (code)
		return code;
	if (parser->at == parser->end)
		return depth == 0
			       ? 0
			       : scan_refuse(parser, parent->line, parent->column,
					     "found the end of the file inside \"%.60s\"; close it "
					     "with }",
					     parent->words[0]);
	if (depth == 0)
		return scan_refuse(parser, parser->line, parser->column,
				   "found } that closes nothing");
	parser->last = parent;
	parser->last_line = parser->line;
	scan_advance(parser);
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

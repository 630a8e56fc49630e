/* SPDX-License-Identifier: Apache-2.0 */
/* From a tree to a text, which parses to the same tree. */
#include <stdlib.h>
#include <string.h>

#include "block/files.h"
#include "block/tree.h"

static void indent(FILE *out, unsigned depth)
{
	while (depth-- > 0)
		fputc('\t', out);
}

static bool is_bare(const char *word)
{
	return *word && *word != '#' && !strpbrk(word, " \t\r\n;{}\"'");
}

static void print_word(const char *word, FILE *out)
{
	if (is_bare(word)) {
		fputs(word, out);
		return;
	}
	fputc('"', out);
	for (; *word; word++) {
		if (*word == '\n')
			fputs("\\n", out);
		else if (*word == '\t')
			fputs("\\t", out);
		else if (*word == '"' || *word == '\\')
			fprintf(out, "\\%c", *word);
		else
			fputc(*word, out);
	}
	fputc('"', out);
}

/* Lines of a comment, each indented as what they belong to. */
static void print_comment(const char *comment, FILE *out, unsigned depth)
{
	while (comment) {
		const char *end = strchrnul(comment, '\n');

		indent(out, depth);
		fprintf(out, "%.*s\n", (int)(end - comment), comment);
		comment = *end ? end + 1 : NULL;
	}
}

enum print_mode { PRINT_FLAT, PRINT_FILE, PRINT_WHOLE };

struct printer {
	enum print_mode mode;
	/* PRINT_FILE: this inclusion is printed, by its address; PRINT_WHOLE: its directives need no wrapper. */
	const char *file;
	FILE *out;
};

static void print_children(const struct printer *printer, const struct block *parent,
			   unsigned depth);

static void print_words(const struct block *block, FILE *out)
{
	for (size_t i = 0; i < block->count; i++) {
		if (i > 0)
			fputc(' ', out);
		print_word(block->words[i], out);
	}
	fputs(block->has_body ? " {\n" : ";\n", out);
}

static void print_one(const struct printer *printer, const struct block *block, unsigned depth)
{
	print_comment(block->comment, printer->out, depth);
	indent(printer->out, depth);
	print_words(block, printer->out);
	if (!block->has_body)
		return;
	print_children(printer, block, depth + 1);
	indent(printer->out, depth);
	fputs("}\n", printer->out);
}

static bool is_printed(const struct printer *printer, const struct block *block)
{
	if (printer->mode == PRINT_FLAT)
		return !block->is_include;
	return printer->mode == PRINT_WHOLE || block->file == printer->file;
}

/* A file may be included inside a block of another one: there its directives are at the file's own top. */
static void print_inside(const struct printer *printer, const struct block *block, unsigned depth)
{
	struct block shown = *block;

	shown.tail = NULL;
	if (printer->mode == PRINT_FILE)
		print_children(printer, &shown, depth);
}

/* Those that follow one another in one file that is not the one around them. */
static const struct block *print_wrapped(const struct printer *printer, const struct block *block,
					 unsigned depth)
{
	struct printer inner = {printer->mode, block->file, printer->out};

	indent(inner.out, depth);
	fputs(BLOCK_FILE_WORD " ", inner.out);
	print_word(inner.file, inner.out);
	fputs(" {\n", inner.out);
	for (;; block = block->next) {
		print_one(&inner, block, depth + 1);
		if (!block->next || strcmp(block->next->file, inner.file) != 0)
			break;
	}
	indent(inner.out, depth);
	fputs("}\n", inner.out);
	return block;
}

static void print_children(const struct printer *printer, const struct block *parent,
			   unsigned depth)
{
	bool apart = false, first = true;

	for (const struct block *block = parent->first; block; block = block->next) {
		if (!is_printed(printer, block)) {
			print_inside(printer, block, depth);
			continue;
		}
		/* At the top, blocks stand apart. */
		if (depth == 0 && (apart || (block->has_body && !first)))
			fputc('\n', printer->out);
		apart = block->has_body;
		first = false;
		if (printer->mode == PRINT_WHOLE && strcmp(block->file, printer->file) != 0)
			block = print_wrapped(printer, block, depth);
		else
			print_one(printer, block, depth);
	}
	if (depth == 0 && apart && parent->tail)
		fputc('\n', printer->out);
	print_comment(parent->tail, printer->out, depth);
}

void block_print(const struct block *root, FILE *out)
{
	print_children(&(struct printer){PRINT_FLAT, NULL, out}, root, 0);
}

void block_print_file(const struct block *root, const char *file, FILE *out)
{
	/* What stands at the end of the main file belongs to that alone. */
	struct block shown = *root;

	if (file != root->file)
		shown.tail = NULL;
	print_children(&(struct printer){PRINT_FILE, file, out}, &shown, 0);
}

void block_print_whole(const struct block *root, FILE *out)
{
	print_children(&(struct printer){PRINT_WHOLE, root->file, out}, root, 0);
}

char *block_text(const struct block *root, const char *file)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	if (file)
		block_print_file(root, file, out);
	else
		block_print(root, out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

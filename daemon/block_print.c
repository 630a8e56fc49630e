/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "block.h"

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

static void print_children(const struct block *parent, FILE *out, unsigned depth)
{
	bool apart = false;

	for (const struct block *block = parent->first; block; block = block->next) {
		/* At the top, blocks stand apart. */
		if (depth == 0 && (apart || (block->has_body && block != parent->first)))
			fputc('\n', out);
		apart = block->has_body;
		print_comment(block->comment, out, depth);
		indent(out, depth);
		for (size_t i = 0; i < block->count; i++) {
			if (i > 0)
				fputc(' ', out);
			print_word(block->words[i], out);
		}
		fputs(block->has_body ? " {\n" : ";\n", out);
		if (!block->has_body)
			continue;
		print_children(block, out, depth + 1);
		indent(out, depth);
		fputs("}\n", out);
	}
	if (depth == 0 && apart && parent->tail)
		fputc('\n', out);
	print_comment(parent->tail, out, depth);
}

void block_print(const struct block *root, FILE *out)
{
	print_children(root, out, 0);
}

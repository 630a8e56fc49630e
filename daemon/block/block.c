/* SPDX-License-Identifier: Apache-2.0 */
#include "block/block.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "block/file_name.h"

void block_set_file(struct block *block, const char *file)
{
	const char *before = block->file;

	block->file = block_file_ref(file);
	block->column = 0;
	block_file_unref(before);
}

struct block *block_new(const char *file, unsigned line, unsigned column)
{
	struct block *block = calloc(1, sizeof(*block));

	if (!block)
		return NULL;
	block->file = block_file_ref(file);
	block->line = line;
	block->column = column;
	return block;
}

void block_free(struct block *block)
{
	if (!block)
		return;
	for (struct block *child = block->first, *next; child; child = next) {
		next = child->next;
		block_free(child);
	}
	free(block->words);
	free(block->line_starts);
	free(block->comment);
	free(block->tail);
	block_file_unref(block->file);
	free(block);
}

int block_set_words(struct block *block, const char *const *words)
{
	size_t count = 0, bytes = 0;
	char **copy, *text;

	for (; words[count]; count++)
		bytes += strlen(words[count]) + 1;
	copy = malloc((count + 1) * sizeof(*copy) + bytes);
	if (!copy)
		return -ENOMEM;
	text = (char *)(copy + count + 1);
	for (size_t i = 0; i < count; i++) {
		copy[i] = text;
		text = stpcpy(text, words[i]) + 1;
	}
	copy[count] = NULL;
	free(block->words);
	free(block->line_starts);
	block->line_starts = NULL;
	block->words = copy;
	block->count = count;
	return 0;
}

void block_adopt(struct block *parent, struct block *child)
{
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

static int clone_text(char **to, const char *from)
{
	if (from && !(*to = strdup(from)))
		return -ENOMEM;
	return 0;
}

static int clone_into(struct block *copy, const struct block *block)
{
	copy->has_body = block->has_body;
	copy->is_include = block->is_include;
	copy->is_unmatched = block->is_unmatched;
	if (block->words && block_set_words(copy, (const char *const *)block->words))
		return -ENOMEM;
	if (clone_text(&copy->comment, block->comment) || clone_text(&copy->tail, block->tail))
		return -ENOMEM;
	for (const struct block *child = block->first; child; child = child->next) {
		struct block *other = block_clone(child);

		if (!other)
			return -ENOMEM;
		block_adopt(copy, other);
	}
	return 0;
}

struct block *block_clone(const struct block *block)
{
	struct block *copy = block_new(block->file, block->line, block->column);

	if (copy && clone_into(copy, block)) {
		block_free(copy);
		return NULL;
	}
	return copy;
}

struct block *block_append(struct block *parent, bool has_body, const char *const *words)
{
	struct block *child = block_new(parent->file, 0, 0);

	if (!child)
		return NULL;
	if (block_set_words(child, words)) {
		block_free(child);
		return NULL;
	}
	child->has_body = has_body;
	block_adopt(parent, child);
	return child;
}

static bool starts_with(const struct block *block, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		if (i >= block->count || strcmp(block->words[i], words[i]) != 0)
			return false;
	return true;
}

struct block *block_find(const struct block *parent, const char *const *words)
{
	struct block *child = parent->first;

	while (child && !starts_with(child, words))
		child = child->next;
	return child;
}

void block_remove(struct block *parent, struct block *child)
{
	struct block *before = NULL;

	for (struct block *i = parent->first; i != child; i = i->next)
		before = i;
	if (before)
		before->next = child->next;
	else
		parent->first = child->next;
	if (parent->last == child)
		parent->last = before;
	block_free(child);
}

int block_error(const struct block *at, struct error *error, int code, const char *format, ...)
{
	char text[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (at->line == 0)
		return error_set(error, code, "%s", text);
	if (at->column == 0)
		return error_set(error, code, "%s: %s", at->file, text);
	return error_set(error, code, "%s:%u:%u: %s", at->file, at->line, at->column, text);
}

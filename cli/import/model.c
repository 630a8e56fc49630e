/* SPDX-License-Identifier: Apache-2.0 */
#include "import/model.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lb/ctl.h"

void *import_must(void *pointer)
{
	if (pointer)
		return pointer;
	fputs("lbctl: out of memory\n", stderr);
	exit(LB_CTL_REFUSED);
}

/* What import_forget() frees. */
static struct kept {
	struct kept *next;
	void *pointer;
} * kept;

void *import_keep(void *pointer)
{
	struct kept *one = import_must(malloc(sizeof(*one)));

	*one = (struct kept){kept, import_must(pointer)};
	kept = one;
	return pointer;
}

void import_forget(void)
{
	while (kept) {
		struct kept *next = kept->next;

		free(kept->pointer);
		free(kept);
		kept = next;
	}
}

char *import_text(const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return import_keep(text);
}

void *import_grow(void **array, size_t count, size_t size)
{
	/* Room doubles when count is a power of two. */
	if ((count & (count - 1)) == 0) {
		void *larger = import_keep(calloc(count ? count * 2 : 1, size));

		if (count)
			memcpy(larger, *array, count * size);
		*array = larger;
	}
	memset((char *)*array + count * size, 0, size);
	return (char *)*array + count * size;
}

struct block *import_add(struct block *parent, bool has_body, const char *const *words)
{
	return import_must(block_append(parent, has_body, words));
}

/* A comment is lines: what is quoted of the files may not end one. */
static void add_line(char **comment, const char *line)
{
	char *text = *comment ? import_text("%s\n# %s", *comment, line) : import_text("# %s", line);

	for (char *c = text + (*comment ? strlen(*comment) + 1 : 0); *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	free(*comment);
	*comment = import_must(strdup(text));
}

static void add_formatted(char **comment, const char *format, va_list args)
{
	char *line;

	if (vasprintf(&line, format, args) < 0)
		line = NULL;
	add_line(comment, import_must(line));
	free(line);
}

void import_comment(struct block *in, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(&in->tail, format, args);
	va_end(args);
}

void import_comment_before(struct block *block, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add_formatted(&block->comment, format, args);
	va_end(args);
}

void import_drop(struct block *in, const struct import_place *at, const char *why)
{
	import_comment(in, "%s:%u: %s: %s", at->file, at->line, at->text, why);
}

struct import_place import_place_of(const struct block *at)
{
	char *text = import_text("%s", at->words[0]);

	for (size_t i = 1; i < at->count && i < 12; i++) {
		text = import_text("%s %.120s", text, at->words[i]);
	}
	return (struct import_place){at->file, at->line, text};
}

void import_drop_block(struct block *in, const struct block *at, const char *why)
{
	struct import_place place = import_place_of(at);

	import_drop(in, &place, why);
}

static bool is_name_taken(const struct import *import, const char *name)
{
	return block_find(import->out, WORDS("pool", name)) ||
	       block_find(import->out, WORDS("static", name)) || strcmp(name, "all") == 0;
}

char *import_pool_name(const struct import *import, const char *name)
{
	char *plain = import_text("%.48s", *name ? name : "pool"), *tried;

	for (char *c = plain; *c; c++)
		if (!isalnum((unsigned char)*c) && (c == plain || !strchr(".-", *c)))
			*c = '_';
	tried = import_text("%s", plain);
	for (unsigned i = 2; is_name_taken(import, tried); i++)
		tried = import_text("%s_%u", plain, i);
	return tried;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 64, NAME_MAX_COMPARED = 32 };

const struct conf_directive *conf_find_row(const struct conf_directive *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

int conf_refuse(const struct block *at, const struct conf_directive *row, const char *word,
		struct error *error)
{
	return block_error(at, error, -EINVAL, "%s: found \"%.80s\"; allowed: %s", row->name, word,
			   row->usage);
}

int conf_no_memory(const struct block *at, struct error *error)
{
	block_error(at, error, -ENOMEM, "%s: out of memory", at->words[0]);
	return -ENOMEM;
}

static unsigned least_of(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters to add, drop or change (Levenshtein); of the first 32 of each. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NAME_MAX_COMPARED + 1];
	size_t length = strnlen(b, NAME_MAX_COMPARED);

	for (size_t j = 0; j <= length; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; i < NAME_MAX_COMPARED && a[i]; i++) {
		unsigned diagonal = row[0]++;

		for (size_t j = 0; j < length; j++) {
			unsigned above = row[j + 1];

			row[j + 1] = least_of(diagonal + (a[i] != b[j]), above + 1, row[j] + 1);
			diagonal = above;
		}
	}
	return row[length];
}

static const char *nearest(const struct conf_directive *table, const char *name)
{
	unsigned least = strlen(name) < 5 ? 2 : 3; /* beyond, it is no slip */
	const char *found = NULL;

	for (; table->name; table++) {
		unsigned now = distance(name, table->name);

		if (now < least) {
			least = now;
			found = table->name;
		}
	}
	return found;
}

static int refuse_unknown(const struct block *at, const char *what,
			  const struct conf_directive *table, struct error *error)
{
	const char *near = nearest(table, at->words[0]);
	char names[ERROR_TEXT_BYTES] = "";
	size_t used = 0;

	if (near)
		return block_error(
			at, error, -EINVAL,
			"found \"%.60s\" in %s, which is unknown there; did you mean %s?",
			at->words[0], what, near);
	for (; table->name && used < sizeof(names); table++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, " %s", table->name);
	return block_error(at, error, -EINVAL,
			   "found \"%.60s\" in %s, which is unknown there; allowed:%s",
			   at->words[0], what, names);
}

int conf_check_shape(const struct block *at, const struct conf_directive *row, struct error *error)
{
	if (at->has_body != row->body)
		return block_error(at, error, -EINVAL, "%s: found %s; allowed: %s", row->name,
				   at->has_body ? "{" : "; without { }", row->usage);
	if (at->count - 1 < row->min || at->count - 1 > row->max)
		return block_error(at, error, -EINVAL, "%s: found %zu word%s after it; allowed: %s",
				   row->name, at->count - 1, at->count == 2 ? "" : "s", row->usage);
	return 0;
}

static const struct conf_directive *row_in(const struct conf_directive *const *tables,
					   const char *name)
{
	const struct conf_directive *row = NULL;

	for (; *tables && !row; tables++)
		row = conf_find_row(*tables, name);
	return row;
}

/* `weight` of a backend, say, is a directive as well. */
static bool is_option(const struct conf_directive *row, const char *word)
{
	static const char between[] = " []|;";
	size_t length = strlen(word);

	for (const char *at = row ? row->usage : ""; *at;) {
		size_t span = strcspn(at, between);

		if (span == length && !memcmp(at, word, length))
			return true;
		at += span + strspn(at + span, between);
	}
	return false;
}

int conf_check_lines(const struct block *at, const struct conf_directive *const *tables,
		     struct error *error)
{
	const struct conf_directive *row = row_in(tables, at->words[0]);

	for (size_t i = 1; at->line_starts && i < at->count; i++) {
		const char *word = at->words[i];

		if (!at->line_starts[i] || is_option(row, word) ||
		    (!row_in(tables, word) && strcmp(word, "include") != 0))
			continue;
		return block_error(at, error, -EINVAL,
				   "%.60s: found no ; before \"%s\", which begins line %u: end "
				   "%.60s with ; (or write \"%s\" in quotes, where that is one of "
				   "its words)",
				   at->words[0], word, at->line_starts[i], at->words[0], word);
	}
	return 0;
}

const char *conf_first_at(const struct block *at, char *text)
{
	*text = '\0';
	if (at->line && at->column)
		snprintf(text, CONF_PLACE_BYTES, ", first at %.230s:%u", at->file, at->line);
	else if (at->line)
		snprintf(text, CONF_PLACE_BYTES, ", first in %.230s", at->file);
	return text;
}

int conf_once(const struct block *at, const char *what, const struct block **seen,
	      struct error *error)
{
	char place[CONF_PLACE_BYTES];

	if (*seen)
		return block_error(at, error, -EINVAL,
				   "%s%s%s: found a second time%s; once is allowed", at->words[0],
				   what ? " " : "", what ? what : "", conf_first_at(*seen, place));
	*seen = at;
	return 0;
}

int conf_options_once(const struct block *at, const char *flag, struct error *error)
{
	for (size_t i = 2; i < at->count; i += strcmp(at->words[i], flag) == 0 ? 1 : 2)
		for (size_t j = 2; j < i; j += strcmp(at->words[j], flag) == 0 ? 1 : 2)
			if (strcmp(at->words[i], at->words[j]) == 0)
				return block_error(at, error, -EINVAL,
						   "%s %s: found a second time in one line; once "
						   "is allowed",
						   at->words[0], at->words[i]);
	return 0;
}

int conf_walk(const struct block *parent, const char *what, const struct conf_directive *table,
	      void *target, struct error *error)
{
	const struct conf_directive *const tables[] = {table, NULL};
	const struct block *seen[ROWS_MAX] = {NULL};
	int code = 0;

	for (const struct block *at = parent->first; at && !code; at = at->next) {
		const struct conf_directive *row = conf_find_row(table, at->words[0]);

		if (at->is_include)
			continue;
		code = conf_check_lines(at, tables, error);
		if (code)
			return code;
		if (!row)
			return refuse_unknown(at, what, table, error);
		code = row->repeat ? 0 : conf_once(at, NULL, &seen[row - table], error);
		if (!code)
			code = conf_check_shape(at, row, error);
		if (!code)
			code = row->set(target, row, at, error);
		if (row->note)
			*(const struct block **)((char *)target + row->note) = at;
	}
	return code;
}

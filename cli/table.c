/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/printable.h"

enum { GAP = 2 };

struct row {
	char *heading; /* or cells */
	char **cells;
};

struct table {
	const struct column *columns;
	size_t column_count;
	struct row *rows;
	size_t row_count;
	bool headed;
	locale_t utf8;
};

struct table *table_new(const struct column *columns, size_t count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->column_count = count;
	table->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->row_count; i++) {
		struct row *row = &table->rows[i];

		for (size_t k = 0; row->cells && k < table->column_count; k++)
			free(row->cells[k]);
		free(row->cells);
		free(row->heading);
	}
	if (table->utf8)
		freelocale(table->utf8);
	free(table->rows);
	free(table);
}

static struct row *new_row(struct table *table)
{
	struct row *rows = reallocarray(table->rows, table->row_count + 1, sizeof(*rows));

	if (!rows)
		abort();
	table->rows = rows;
	rows[table->row_count] = (struct row){0};
	return &rows[table->row_count++];
}

char *table_duration(double seconds)
{
	unsigned long s = seconds < 0 ? 0 : (unsigned long)seconds;
	char *text = NULL;
	int length;

	if (s < 60)
		length = asprintf(&text, "%lus", s);
	else if (s < 3600)
		length = asprintf(&text, "%lum %02lus", s / 60, s % 60);
	else if (s < 86400)
		length = asprintf(&text, "%luh %02lum", s / 3600, s / 60 % 60);
	else
		length = asprintf(&text, "%lud %02luh", s / 86400, s / 3600 % 24);
	return length < 0 ? NULL : text;
}

static char *format_bytes(double bytes)
{
	static const char units[] = "BKMGTP";
	char *text = NULL;
	size_t unit = 0;

	while (bytes >= 1024 && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	if (asprintf(&text, unit && bytes < 10 ? "%.1f%c" : "%.0f%c", bytes, units[unit]) < 0)
		return NULL;
	return text;
}

static char *join_items(const json_t *list)
{
	char *text = NULL;
	size_t bytes = 0, i;
	json_t *item;
	FILE *out = open_memstream(&text, &bytes);

	json_array_foreach(list, i, item)
	{
		char *one = table_text(item);

		fprintf(out, "%s%s", i ? ", " : "", one ? one : "");
		free(one);
	}
	fclose(out);
	return text;
}

static char *line_of(const char *text, size_t length)
{
	char *copy = malloc(length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	printable_line(copy, length);
	return copy;
}

char *table_text(const json_t *value)
{
	char *text = NULL;

	if (json_is_string(value))
		return line_of(json_string_value(value), json_string_length(value));
	if (json_is_array(value))
		return join_items(value);
	if (json_is_boolean(value))
		return strdup(json_is_true(value) ? "yes" : "no");
	if (json_is_integer(value) && asprintf(&text, "%lld", json_integer_value(value)) < 0)
		return NULL;
	if (json_is_real(value) && asprintf(&text, "%.1f", json_real_value(value)) < 0)
		return NULL;
	return text ? text : strdup("");
}

static char *make_cell(const struct column *column, const json_t *object)
{
	const json_t *value = json_object_get(object, column->key);

	if (json_is_number(value) && column->kind == COLUMN_DURATION)
		return table_duration(json_number_value(value));
	if (json_is_number(value) && column->kind == COLUMN_BYTES)
		return format_bytes(json_number_value(value));
	return table_text(value);
}

void table_add(struct table *table, const json_t *object)
{
	struct row *row = new_row(table);

	row->cells = calloc(table->column_count, sizeof(*row->cells));
	for (size_t i = 0; row->cells && i < table->column_count; i++)
		row->cells[i] = make_cell(&table->columns[i], object);
}

void table_add_heading(struct table *table, const char *text)
{
	new_row(table)->heading = line_of(text, strlen(text));
	table->headed = true;
}

/* Columns that text takes on a terminal. */
static size_t width_of(const char *text)
{
	mbstate_t state = {0};
	size_t width = 0, length;
	wchar_t wide;

	while ((length = mbrtowc(&wide, text, MB_LEN_MAX, &state)) && length != (size_t)-1 &&
	       length != (size_t)-2) {
		int columns = wcwidth(wide);

		width += columns > 0 ? columns : 0;
		text += length;
	}
	return width;
}

/* 0: the column is left out. */
static size_t column_width(const struct table *table, size_t column)
{
	size_t title = width_of(table->columns[column].title), width = 0;

	for (size_t i = 0; i < table->row_count; i++) {
		const struct row *row = &table->rows[i];
		size_t here = row->cells && row->cells[column] ? width_of(row->cells[column]) : 0;

		if (here > width)
			width = here;
	}
	if (!width && table->columns[column].optional)
		return 0;
	return width > title ? width : title;
}

const char *table_state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} colours[] = {
		{"up", "\033[32m"},       {"native", "\033[32m"},  {"starting", "\033[33m"},
		{"draining", "\033[33m"}, {"drained", "\033[33m"}, {"stopping", "\033[33m"},
		{"backoff", "\033[33m"},  {"generic", "\033[33m"}, {"down", "\033[31m"},
		{"exited", "\033[31m"},   {"fatal", "\033[1;31m"}, {"none", "\033[1;31m"},
		{"stopped", "\033[2m"},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(*colours); i++) {
		if (!strcmp(state, colours[i].state))
			return colours[i].colour;
	}
	return "";
}

static void print_line(const struct table *table, char *const *cells, const size_t *widths,
		       FILE *out, bool colour)
{
	size_t owed = table->headed ? GAP : 0; /* spaces before the next text: none at the end */

	for (size_t i = 0; i < table->column_count; i++) {
		const struct column *column = &table->columns[i];
		const char *text = cells ? cells[i] : column->title;
		bool right = column->kind != COLUMN_TEXT && column->kind != COLUMN_STATE;
		const char *paint = "";
		size_t rest;

		if (!widths[i])
			continue;
		text = text ? text : "";
		rest = widths[i] - width_of(text);
		if (colour)
			paint = !cells                         ? "\033[1m"
				: column->kind == COLUMN_STATE ? table_state_colour(text)
							       : "";
		if (*text)
			fprintf(out, "%*s%s%s%s", (int)(owed + (right ? rest : 0)), "", paint, text,
				*paint ? "\033[0m" : "");
		owed = GAP + (*text && right ? 0 : rest) + (*text ? 0 : owed);
	}
	fputc('\n', out);
}

void table_print(const struct table *table, FILE *out, bool colour)
{
	size_t *widths = calloc(table->column_count + 1, sizeof(*widths));
	locale_t before = table->utf8 ? uselocale(table->utf8) : (locale_t)0;

	for (size_t i = 0; widths && i < table->column_count; i++)
		widths[i] = column_width(table, i);
	if (widths)
		print_line(table, NULL, widths, out, colour);
	for (size_t i = 0; widths && i < table->row_count; i++) {
		if (table->rows[i].heading)
			fprintf(out, "%s\n", table->rows[i].heading);
		else
			print_line(table, table->rows[i].cells, widths, out, colour);
	}
	if (before)
		uselocale(before);
	free(widths);
}

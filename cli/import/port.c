/* SPDX-License-Identifier: Apache-2.0 */
#include "import/port.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/model.h"

enum { RUNS_MAX = 64 };

/* A run of digits. */
struct run {
	size_t start, length;
	unsigned long value;
	bool counts;
};

static size_t find_runs(const char *text, struct run *runs)
{
	size_t count = 0;

	for (size_t i = 0; text[i] && count < RUNS_MAX; i++) {
		size_t length = strspn(text + i, "0123456789");

		if (length == 0)
			continue;
		runs[count++] = (struct run){i, length, strtoul(text + i, NULL, 10), false};
		i += length - 1;
	}
	return count;
}

/* Whether the texts are the same but for their numbers. */
static bool same_between(const char *a, const struct run *in_a, const char *b,
			 const struct run *in_b, size_t count)
{
	size_t at_a = 0, at_b = 0;

	for (size_t i = 0; i < count; i++) {
		if (in_a[i].start - at_a != in_b[i].start - at_b ||
		    strncmp(a + at_a, b + at_b, in_a[i].start - at_a) != 0)
			return false;
		at_a = in_a[i].start + in_a[i].length;
		at_b = in_b[i].start + in_b[i].length;
	}
	return strcmp(a + at_a, b + at_b) == 0;
}

/* Marks the runs that go up by one; false when the texts differ otherwise. */
static bool mark_counting(char *const *texts, size_t texts_count, struct run *runs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		runs[i].counts = texts_count > 1;
	for (size_t k = 1; k < texts_count; k++) {
		struct run other[RUNS_MAX];

		if (find_runs(texts[k], other) != count ||
		    !same_between(texts[0], runs, texts[k], other, count))
			return false;
		for (size_t i = 0; i < count; i++) {
			bool constant = other[i].value == runs[i].value;

			runs[i].counts &= other[i].value == runs[i].value + k;
			if (!runs[i].counts && !constant)
				return false;
		}
	}
	return true;
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t bytes = strlen(end);

	return length >= bytes && strncasecmp(text + length - bytes, end, bytes) == 0;
}

/* As in `serv.py 8000`, but not in `serv.py --seconds 8000`. */
static bool is_last_word(const char *text, const struct run *run)
{
	char after = text[run->start + run->length];
	size_t word = run->start;

	if (word == 0 || text[word - 1] != ' ' || (after && after != '\x01'))
		return false;
	while (word > 0 && text[word - 1] == ' ')
		word--;
	while (word > 0 && text[word - 1] != ' ')
		word--;
	return text[word] != '-';
}

/* How much a number looks like a port; 0: not at all. */
static unsigned score_as_port(const char *text, const struct run *run, bool single)
{
	char before = run->start ? text[run->start - 1] : ' ',
	     after = text[run->start + run->length];
	static const char *const names[] = {"port=", "port ",  "port:",   "-p ",
					    "-p",    "--port", "port=\"", "port='"};

	if (run->value < 1 || run->value > 65535 || (after && !strchr(" \t'\"/,\x01", after)))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (ends_with(text, run->start, names[i]))
			return 3;
	if (before == ':')
		return 2;
	if (run->value < 1024)
		return 0;
	return single ? is_last_word(text, run) : strchr(" \t='\"", before) != NULL;
}

static char *replace_port(const char *text, const struct run *runs, size_t count,
			  const struct run *port, size_t decide, bool single, bool *from_one)
{
	char *result = NULL;
	size_t length, at = 0;
	FILE *out = import_must(open_memstream(&result, &length));

	for (size_t i = 0; i < count; i++) {
		bool is_port = runs[i].value == port->value &&
			       (single ? &runs[i] == port : runs[i].counts);
		/* What names a file only has to tell the workers apart. */
		bool is_name = runs[i].counts && runs[i].start >= decide;

		if (!is_port && !runs[i].counts)
			continue;
		fprintf(out, "%.*s", (int)(runs[i].start - at), text + at);
		fputs(is_port || is_name ? "${port}" : "${index}", out);
		*from_one |= !is_port && !is_name && runs[i].value != 0;
		at = runs[i].start + runs[i].length;
	}
	fputs(text + at, out);
	fclose(out);
	return import_keep(result);
}

/* ${port} is $port where no letter follows. */
static void plain_names(char *text)
{
	static const char *const names[] = {"${port}", "${index}"};

	for (size_t i = 0; i < 2; i++) {
		size_t length = strlen(names[i]);

		for (char *at = text; (at = strstr(at, names[i])); at++) {
			char after = at[length];

			if (isalnum((unsigned char)after) || after == '_')
				continue;
			memmove(at + 1, at + 2, length - 3);
			memmove(at + length - 2, at + length, strlen(at + length) + 1);
		}
	}
}

bool import_port_find(char *const *texts, size_t count, size_t decide, struct import_port *port)
{
	struct run runs[RUNS_MAX], *best = NULL;
	size_t run_count = find_runs(texts[0], runs);
	unsigned most = 0;

	if (!mark_counting(texts, count, runs, run_count))
		return false;
	for (size_t i = 0; i < run_count && runs[i].start < decide; i++) {
		unsigned now = count > 1 && !runs[i].counts
				       ? 0
				       : score_as_port(texts[0], &runs[i], count == 1);

		if (now > most) {
			most = now;
			best = &runs[i];
		}
	}
	if (!best || best->value + count - 1 > 65535)
		return false;
	port->first = (unsigned)best->value;
	port->counts_from_one = false;
	port->text = replace_port(texts[0], runs, run_count, best, decide, count == 1,
				  &port->counts_from_one);
	plain_names(port->text);
	return true;
}

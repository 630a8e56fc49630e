/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs_find.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lb/ctl.h"

enum { NAME_BYTES = 32, HELP_INDENT = 36 };

const char *verbs_rest(const char *name, char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(name, " ");

		if (strlen(words[i]) != length || memcmp(words[i], name, length))
			return NULL;
		name += length + (name[length] == ' ');
	}
	return name;
}

/* How many of the words spell the name; 0: they do not. */
static size_t spells(const char *name, char *const *words, size_t count)
{
	size_t length = 1;

	for (const char *at = name; (at = strchr(at, ' ')); at++)
		length++;
	return length <= count && verbs_rest(name, words, length) ? length : 0;
}

const struct verb *verbs_find(char *const *words, size_t count, size_t *used)
{
	const struct verb *best = NULL;

	*used = 0;
	for (const struct verb *verb = verbs; verb->name; verb++) {
		size_t here = spells(verb->name, words, count);

		if (here > *used) {
			*used = here;
			best = verb;
		}
	}
	return best;
}

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance, neighbours swapped counting two; both are short. */
static size_t distance(const char *a, const char *b)
{
	uint8_t row[NAME_BYTES + 1];
	size_t length = strlen(b);

	for (size_t k = 0; k <= length; k++)
		row[k] = k;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < length; k++) {
			size_t above = row[k + 1];

			row[k + 1] = least(above + 1, row[k] + 1U, diagonal + (a[i] != b[k]));
			diagonal = above;
		}
	}
	return row[length];
}

/* As supervisorctl(1) has them: `stop` where it is `worker stop`. */
static const char *by_second_word(const char *word)
{
	for (const struct verb *verb = verbs; verb->name; verb++) {
		const char *second = strchr(verb->name, ' ');

		if (second && !strcmp(second + 1, word))
			return verb->name;
	}
	return NULL;
}

const char *verbs_nearest(char *const *words, size_t count)
{
	const char *nearest = NULL;
	size_t best = 3; /* further away is no slip of the fingers */
	char typed[2][NAME_BYTES];

	if (!count)
		return NULL;
	nearest = by_second_word(words[0]);
	if (nearest)
		return nearest;
	snprintf(typed[0], NAME_BYTES, "%s", words[0]);
	snprintf(typed[1], NAME_BYTES, "%s %s", words[0], count > 1 ? words[1] : "");
	for (const struct verb *verb = verbs; verb->name; verb++) {
		size_t far = distance(typed[!!strchr(verb->name, ' ')], verb->name);

		if (far && far < best) {
			best = far;
			nearest = verb->name;
		}
	}
	return nearest;
}

static void print_verb(FILE *out, const struct verb *verb)
{
	int length = fprintf(out, "  %s%s%s", verb->name, *verb->usage ? " " : "", verb->usage);

	if (length > HELP_INDENT - 2)
		length = fprintf(out, "\n") - 1;
	fprintf(out, "%*s%s\n", HELP_INDENT - length, "", verb->help);
}

int verbs_help(const struct cli *cli, char *const *words, size_t count)
{
	bool any = false;

	if (!count)
		fputs("usage: lbctl [-n INSTANCE] [-j] VERB ...\n\n", cli->out);
	for (const struct verb *verb = verbs; verb->name; verb++) {
		if (verbs_rest(verb->name, words, count)) {
			print_verb(cli->out, verb);
			any = true;
		}
	}
	if (!any)
		return cli_fail(cli, LB_CTL_USAGE, "no such verb; `lbctl help` lists all");
	if (!count)
		fputs("\n  -n INSTANCE  of several lbd, the one of this name (`default`)\n"
		      "  -j           JSON, for scripts\n"
		      "\nexit: 0 done, 1 refused, 2 usage, 3 no lbd answers or worker not "
		      "running\n",
		      cli->out);
	return LB_CTL_DONE;
}

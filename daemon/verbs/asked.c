/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/asked.h"

#include <stdio.h>
#include <string.h>

#include "base/place.h"

enum { VALUE_BYTES = 80 };

/* Members whose value alone does not say what it is. */
static bool is_named(const char *member)
{
	static const char *const named[] = {"weight", "max_connections", "owner", "timeout", NULL};

	for (const char *const *at = named; *at; at++)
		if (!strcmp(member, *at))
			return true;
	return false;
}

void asked_quote(const char *text, size_t most, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < most && text[i]; i++) {
		if (text[i] == '"' || text[i] == '\\')
			fputc('\\', out);
		fputc(text[i], out);
	}
	fputc('"', out);
}

/* DANGER: what it does not quote must not look like words of the line: ", by root (uid 0): done". */
static void print_value(const char *value, FILE *out)
{
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ.:_-/[]%@+*";

	if (*value && strspn(value, plain) >= strnlen(value, VALUE_BYTES))
		fprintf(out, "%.*s", VALUE_BYTES, value);
	else
		asked_quote(value, VALUE_BYTES, out);
}

static void print_words(const struct call *call, const char *words, FILE *out)
{
	char member[32];
	int used;

	for (; words && sscanf(words, "%31s%n", member, &used) == 1; words += used) {
		const char *value = call_word(call, member, NULL);

		if (!value)
			continue;
		fprintf(out, " %s%s", is_named(member) ? member : "", is_named(member) ? " " : "");
		print_value(value, out);
	}
}

static void print_flags(const struct call *call, const char *flags, FILE *out)
{
	char member[32];
	int used;

	for (; flags && sscanf(flags, "%31s%n", member, &used) == 1; flags += used)
		if (call_flag(call, member))
			fprintf(out, " %s", member);
}

void asked_print(const struct call *call, const char *verb, const char *words, const char *flags,
		 char text[ASKED_BYTES])
{
	uid_t user = control_user(call->request);
	char name[PLACE_USER_BYTES];
	FILE *out = fmemopen(text, ASKED_BYTES, "w");

	snprintf(text, ASKED_BYTES, "%s", verb);
	if (!out)
		return;
	fprintf(out, "%s", verb);
	print_words(call, words, out);
	print_flags(call, flags, out);
	fprintf(out, ", by %s (uid %u)", place_user(user, name), user);
	fclose(out);
	text[ASKED_BYTES - 1] = '\0';
}

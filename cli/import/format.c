/* SPDX-License-Identifier: Apache-2.0 */
/* Words as supervisor writes them (Python's % format, sizes) in lbd's form. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "import/model.h"

char *import_dollars(const char *text)
{
	char *doubled = import_keep(malloc(strlen(text) * 2 + 1)), *to = doubled;

	for (; *text; text++) {
		if (*text == '$')
			*to++ = '$';
		*to++ = *text;
	}
	*to = '\0';
	return doubled;
}

/* What %(name) stands for, new; NULL for an unknown name. */
static char *value_of(const char *name, const struct import_names *names)
{
	char host[] = "$host_name";

	if (strcmp(name, "here") == 0)
		return import_text("%s", names->here);
	if (strcmp(name, "program_name") == 0)
		return import_text("%s", names->program);
	if (strcmp(name, "group_name") == 0)
		return import_text("%s", names->group);
	if (strcmp(name, "host_node_name") == 0)
		return import_text("%s", host);
	if (strcmp(name, "process_num") == 0)
		return import_text("%u", names->number);
	if (strcmp(name, "numprocs") == 0)
		return import_text("%u", names->numprocs);
	if (strncmp(name, "ENV_", 4) == 0)
		return import_text("$ENV{%s}", name + 4);
	return NULL;
}

/* Writes value as "02d" or "s" says; the end of that, or NULL. */
static const char *put_value(FILE *out, const char *spec, const char *value)
{
	bool zero = *spec == '0';
	int width = (int)strtol(spec, (char **)&spec, 10);

	if (*spec != 'd' && *spec != 's')
		return NULL;
	for (int i = (int)strlen(value); i < width && i < width + 32; i++)
		fputc(zero && *spec == 'd' ? '0' : ' ', out);
	fputs(value, out);
	return spec + 1;
}

/* At the %; where it ends, or NULL. */
static const char *put_one(FILE *out, const char *text, const struct import_names *names)
{
	const char *end = text[1] == '(' ? strchr(text, ')') : NULL;
	char *name, *value;

	if (text[1] == '%') {
		fputc('%', out);
		return text + 2;
	}
	if (!end)
		return NULL;
	name = import_text("%.*s", (int)(end - text - 2), text + 2);
	value = value_of(name, names);
	end = value ? put_value(out, end + 1, value) : NULL;
	return end;
}

char *import_format(const char *text, const struct import_names *names)
{
	char *dollars = import_dollars(text), *result = NULL;
	const char *at = dollars;
	size_t length;
	FILE *out = import_must(open_memstream(&result, &length));

	while (at && *at) {
		if (*at == '%')
			at = put_one(out, at, names);
		else
			fputc(*at++, out);
	}
	fclose(out);
	import_keep(result);
	return at ? result : NULL;
}

char *import_size(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (!text[digits])
		return import_text("%s", text);
	return import_text("%.*s%c", (int)digits, text, tolower((unsigned char)text[digits]));
}

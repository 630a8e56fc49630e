/* SPDX-License-Identifier: Apache-2.0 */
/* Variables in words: $port, $index, $pool, $host_name and $ENV{NAME}. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/private.h"

/* A variable in text: its name, and what it is of for $ENV{NAME}. */
struct variable {
	const char *name;
	size_t name_length;
	bool environment;
	size_t length; /* of the whole, with its dollar */
};

static size_t name_span(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return length;
}

/* Reads $name, ${name} or $ENV{NAME} at the dollar; false where there is none. */
static bool read_variable(const char *text, struct variable *variable)
{
	bool environment = strncmp(text, "$ENV{", 5) == 0;
	size_t before = environment ? 5 : text[1] == '{' ? 2 : 1;
	size_t length = name_span(text + before);

	*variable = (struct variable){text + before, length, environment, before + length};
	if (length == 0 || (before == 1 && isdigit((unsigned char)text[1])))
		return false;
	if (before > 1) {
		if (text[before + length] != '}')
			return false;
		variable->length++;
	}
	return true;
}

static bool is_named(const struct variable *variable, const char *name)
{
	return !variable->environment && strlen(name) == variable->name_length &&
	       strncmp(variable->name, name, variable->name_length) == 0;
}

static void put_environment(FILE *out, const struct variable *variable)
{
	char *name = strndup(variable->name, variable->name_length);
	const char *value = name ? getenv(name) : NULL;

	fputs(value ? value : "", out);
	free(name);
}

static void put_host_name(FILE *out)
{
	char name[256] = "";

	gethostname(name, sizeof(name) - 1);
	fputs(name, out);
}

static void put_variable(FILE *out, const char *text, const struct variable *variable,
			 const char *pool, uint16_t port, unsigned index)
{
	if (variable->environment)
		put_environment(out, variable);
	else if (is_named(variable, "host_name"))
		put_host_name(out);
	else if (pool && is_named(variable, "port"))
		fprintf(out, "%u", port);
	else if (pool && is_named(variable, "index"))
		fprintf(out, "%u", index);
	else if (pool && is_named(variable, "pool"))
		fputs(pool, out);
	else
		fprintf(out, "%.*s", (int)variable->length, text);
}

char *conf_expand(const char *text, const char *pool, uint16_t port, unsigned index)
{
	struct variable variable;
	char *expanded = NULL;
	size_t length;
	FILE *out = open_memstream(&expanded, &length);

	if (!out)
		return NULL;
	while (*text) {
		if (text[0] == '$' && text[1] == '$') {
			fputc('$', out);
			text += 2;
		} else if (text[0] == '$' && read_variable(text, &variable)) {
			put_variable(out, text, &variable, pool, port, index);
			text += variable.length;
		} else {
			fputc(*text++, out);
		}
	}
	if (fclose(out)) {
		free(expanded);
		return NULL;
	}
	return expanded;
}

bool conf_differs(const char *text)
{
	char *one = text ? conf_expand(text, "", 1, 0) : NULL;
	char *other = text ? conf_expand(text, "", 2, 1) : NULL;
	bool found = one && other && strcmp(one, other) != 0;

	free(one);
	free(other);
	return found;
}

static bool is_known(const struct variable *variable)
{
	return variable->environment || is_named(variable, "port") || is_named(variable, "index") ||
	       is_named(variable, "pool") || is_named(variable, "host_name");
}

int conf_check_variables(const struct block *at, const char *text, struct error *error)
{
	struct variable variable;

	while ((text = strchr(text, '$'))) {
		if (text[1] == '$') {
			text += 2;
		} else if (!read_variable(text, &variable)) {
			text++;
		} else if (is_known(&variable)) {
			text += variable.length;
		} else {
			return block_error(
				at, error, -EINVAL,
				"%s: found the unknown variable %.*s; allowed: $port "
				"$index $pool $host_name $ENV{NAME}, and $$ for a dollar",
				at->words[0], (int)variable.length, text);
		}
	}
	return 0;
}

bool conf_has_variables(const char *text)
{
	return strchr(text, '$') != NULL;
}

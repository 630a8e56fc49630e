/* SPDX-License-Identifier: Apache-2.0 */
#include "control/parse.h"

#include <stdbool.h>
#include <stdio.h>

/* The deepest nesting of objects and lists, those in strings not counted. */
static unsigned depth_of(const char *line, size_t length)
{
	unsigned depth = 0, deepest = 0;
	bool quoted = false;

	for (size_t i = 0; i < length; i++) {
		if (line[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += line[i] == '\\';
		else if (line[i] == '{' || line[i] == '[')
			deepest = ++depth > deepest ? depth : deepest;
		else if ((line[i] == '}' || line[i] == ']') && depth)
			depth--;
	}
	return deepest;
}

json_t *control_parse(const char *line, size_t length, char why[CONTROL_WHY_BYTES])
{
	json_error_t error;
	json_t *message;

	if (depth_of(line, length) > CONTROL_DEPTH_MAX) {
		snprintf(why, CONTROL_WHY_BYTES,
			 "request is nested deeper than %d levels; its members are words",
			 CONTROL_DEPTH_MAX);
		return NULL;
	}
	message = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(message))
		return message;
	snprintf(why, CONTROL_WHY_BYTES, "request is no JSON object%s%s", message ? "" : ": ",
		 message ? "" : error.text);
	json_decref(message);
	return NULL;
}

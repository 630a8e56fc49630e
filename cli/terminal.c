/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	/* Part of it may be what a worker wrote: nothing that a terminal obeys. */
	if (text)
		printable(text, strlen(text));
	/* Both may be one pipe: in the order in which it was said. */
	fflush(cli->out);
	fprintf(cli->err, "lbctl: %s\n", text ? text : "no memory");
	free(text);
	return code;
}

void cli_put(const struct cli *cli, const json_t *string)
{
	size_t length = json_string_length(string);
	char *copy = malloc(length + 1);

	if (!copy)
		return;
	memcpy(copy, json_string_value(string), length);
	if (cli->terminal)
		length = printable(copy, length);
	fwrite(copy, 1, length, cli->out);
	free(copy);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libbpf prints what it thinks, in many lines; a person is told one.  Its first warning names the
 * program or map; if the verifier has spoken, its last line before the statistics says why.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "datapath/internal.h"

static char first[200], verdict[200];

/* Copies the line that ends at `end`. */
static void copy_line_before(const char *text, const char *end, char *out, size_t room)
{
	const char *start;

	while (end > text && end[-1] == '\n')
		end--;
	for (start = end; start > text && start[-1] != '\n'; start--)
		;
	snprintf(out, room, "%.*s", (int)(end - start), start);
}

static void keep_line(const char *line)
{
	const char *statistics = strstr(line, "\nprocessed ");

	if (strstr(line, "BEGIN PROG LOAD LOG")) {
		if (!verdict[0] && statistics)
			copy_line_before(line, statistics, verdict, sizeof(verdict));
		return;
	}
	if (first[0])
		return;
	snprintf(first, sizeof(first), "%s", strncmp(line, "libbpf: ", 8) ? line : line + 8);
	first[strcspn(first, "\n")] = '\0';
}

static int keep_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char *line;

	if (level != LIBBPF_WARN)
		return 0;
	if (vasprintf(&line, format, args) < 0)
		return 0;
	keep_line(line);
	log_debug("%.400s", line); /* a verifier's log may be of megabytes */
	free(line);
	return 0;
}

void libbpf_capture(void)
{
	first[0] = verdict[0] = '\0';
	libbpf_set_print(keep_message);
}

const char *libbpf_captured(void)
{
	static char text[sizeof(first) + sizeof(verdict) + 8];

	snprintf(text, sizeof(text), "%s%s%s", first, verdict[0] ? ": " : "", verdict);
	return text;
}

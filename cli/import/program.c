/* SPDX-License-Identifier: Apache-2.0 */
/* A [program:x] of supervisor as ports and a command; dropped where there are no ports. */
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "import/model.h"
#include "import/port.h"

enum { PROCESSES_MAX = 4096 };

/* What may name a process's number, joined by \x01; the first two may hold its port. */
static const char *const fields[] = {"command", "environment", "stdout_logfile", "stderr_logfile",
				     "directory"};
enum { FIELDS = sizeof(fields) / sizeof(*fields), FIELDS_THAT_DECIDE = 2 };

/* The fields of one process; *decide is where those that may hold the port end. */
static char *join_fields(struct import_section *section, const struct import_names *names,
			 size_t *decide)
{
	char *joined = import_text("%s", "");

	for (size_t i = 0; i < FIELDS; i++) {
		char *value = import_format(import_value(section, fields[i], ""), names);

		if (i == FIELDS_THAT_DECIDE)
			*decide = strlen(joined);
		if (!value)
			return NULL;
		joined = import_text("%s%s\x01", joined, value);
	}
	return joined;
}

static char *next_field(char **rest)
{
	char *field = strsep(rest, "\x01");

	return field && *field ? import_text("%s", field) : NULL;
}

/* The address before the port, as in --bind 0.0.0.0:8000; NULL where there is none, or 127.0.0.1. */
static char *find_address(const char *command)
{
	const char *end = strstr(command, ":$port"), *start = end;
	struct lb_addr addr;
	struct error error;
	char *text;

	while (start && start > command && strchr("0123456789abcdefABCDEF.:[]", start[-1]))
		start--;
	if (!end || start == end)
		return NULL;
	text = import_text("%.*s", (int)(end - start), start);
	if (addr_parse(text, &addr, &error) || strcmp(text, "127.0.0.1") == 0)
		return NULL;
	if (*text == '[') {
		memmove(text, text + 1, strlen(text));
		text[strlen(text) - 1] = '\0';
	}
	return text;
}

static void split_fields(struct import_program *program, char *text)
{
	program->command = next_field(&text);
	program->environment = next_field(&text);
	program->stdout_log = next_field(&text);
	program->stderr_log = next_field(&text);
	program->directory = next_field(&text);
	program->address = program->command ? find_address(program->command) : NULL;
}

static unsigned number_of(struct import_section *section, const char *name, unsigned otherwise)
{
	const char *value = import_value(section, name, NULL);

	return value ? (unsigned)strtoul(value, NULL, 10) : otherwise;
}

/* NULL, or why it cannot be a pool. */
static const char *read_program(struct import_section *section, struct import_program *program)
{
	unsigned count = number_of(section, "numprocs", 1);
	unsigned start = number_of(section, "numprocs_start", 0);
	struct import_port port;
	const char *why = NULL;
	size_t decide = 0;
	char **texts;

	if (count < 1 || count > PROCESSES_MAX)
		return "its numprocs is none that lbd can run (1..4096)";
	texts = import_keep(calloc(count, sizeof(*texts)));
	for (unsigned i = 0; i < count && !why; i++) {
		struct import_names names = {section->here, program->name, program->name, start + i,
					     count};

		texts[i] = join_fields(section, &names, &decide);
		if (!texts[i])
			why = "it holds a %(name) that supervisor does not know";
	}
	if (!why && !import_port_find(texts, count, decide, &port))
		why = "no port is to be seen in its command; lbd runs programs that listen on a "
		      "port of their own, one for each process";
	if (!why) {
		program->first_port = port.first;
		program->count = count;
		program->counts_from_one = port.counts_from_one;
		split_fields(program, port.text);
	}
	return why;
}

static const char *program_of(const char *command)
{
	size_t length = strcspn(command, " \t");
	const char *slash = memrchr(command, '/', length);

	return slash ? slash + 1 : command;
}

static bool runs_program(const char *command, const char *name)
{
	size_t length = strlen(name);
	const char *found = program_of(command);

	return strncmp(found, name, length) == 0 && (!found[length] || found[length] == ' ');
}

/* What lbd makes superfluous. */
static const char *why_superfluous(const char *command)
{
	if (runs_program(command, "nginx"))
		return "lbd takes the place of nginx: connections go straight to the workers, no "
		       "proxy is to be run";
	if (runs_program(command, "haproxy"))
		return "lbd takes the place of haproxy; see the pools for its backends";
	return NULL;
}

static void drop_section(struct import *import, struct import_section *section, const char *why)
{
	import_drop(import->out, &section->at, why);
	for (size_t i = 0; i < section->count; i++) {
		struct import_entry *entry = &section->entries[i];

		import_drop(import->out, &entry->at, "see the section");
		entry->used = true;
	}
}

static void add_program(struct import *import, struct import_section *section)
{
	struct import_program program = {.section = section,
					 .name = strchr(section->name, ':') + 1};
	const char *why = why_superfluous(import_value(section, "command", ""));

	if (!why)
		why = read_program(section, &program);
	if (why)
		drop_section(import, section, why);
	else
		*(struct import_program *)import_grow((void **)&import->programs,
						      import->program_count++, sizeof(program)) =
			program;
}

void import_programs(struct import *import)
{
	for (size_t i = 0; i < import->section_count; i++) {
		struct import_section *section = &import->sections[i];

		if (strncmp(section->name, "program:", 8) == 0)
			add_program(import, section);
		else if (strncmp(section->name, "eventlistener:", 14) == 0)
			drop_section(
				import, section,
				"lbd sends no events to listeners; `lbctl -j worker` tells the "
				"states");
		else if (strncmp(section->name, "fcgi-program:", 13) == 0)
			drop_section(import, section,
				     "lbd steers TCP connections, and FastCGI needs a web server "
				     "before it");
	}
}

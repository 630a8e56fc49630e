/* SPDX-License-Identifier: Apache-2.0 */
/* What supervisord.conf says of lbd's own process, and why the rest of its sections is not carried over. */
#include <string.h>

#include "import/model.h"

/* A file's path, from the directory of supervisord.conf; NULL when it holds an unknown name. */
static char *path_of(const struct import_section *section, const char *text)
{
	struct import_names names = {.here = section->here, .program = "", .group = ""};
	char *path = import_format(text, &names);

	return !path || *path == '/' ? path : import_text("%s/%s", section->here, path);
}

/*
 * A file of lbd's own beside the one that supervisord has, which may run still, and has its number and its words
 * there.
 */
static void emit_own(struct import *import, const char *path, const char *const *words)
{
	struct block *block = import_add(import->out, false, words);

	import_comment_before(block, "supervisord had %s", path);
}

static char *beside(const char *path, const char *name)
{
	return import_text("%.*s/%s", (int)(strrchr(path, '/') - path), path, name);
}

static void emit_own_log(struct import *import, struct import_section *section)
{
	const char *file = import_value(section, "logfile", NULL);
	char *path = file ? path_of(section, file) : NULL;

	if (path)
		emit_own(import, path,
			 WORDS("log", beside(path, "lbd.log"), "size",
			       import_size(import_value(section, "logfile_maxbytes", "50MB")),
			       "files", import_value(section, "logfile_backups", "10")));
}

static void emit_path(struct import *import, struct import_section *section, const char *entry,
		      const char *directive, const char *own)
{
	const char *text = import_value(section, entry, NULL);
	char *path = text ? path_of(section, text) : NULL;

	if (path && own)
		emit_own(import, path, WORDS(directive, beside(path, own)));
	else if (path)
		import_add(import->out, false, WORDS(directive, path));
}

static void emit_supervisord(struct import *import, struct import_section *section)
{
	static const char *const numbers[][2] = {{"minfds", "min_files"},
						 {"minprocs", "min_processes"}};

	emit_own_log(import, section);
	emit_path(import, section, "pidfile", "pid_file", "lbd.pid");
	emit_path(import, section, "childlogdir", "log_directory", NULL);
	for (size_t i = 0; i < 2; i++) {
		const char *text = import_value(section, numbers[i][0], NULL);

		if (text)
			import_add(import->out, false, WORDS(numbers[i][1], text));
	}
}

static void emit_socket(struct import *import, struct import_section *section)
{
	const char *mode = import_value(section, "chmod", NULL);
	const char *owner = import_value(section, "chown", NULL);
	const char *colon = owner ? strchr(owner, ':') : NULL;
	struct block *control;

	if (!mode && !owner)
		return;
	control = import_add(import->out, true, WORDS("control"));
	if (mode)
		import_add(control, false, WORDS("mode", mode));
	if (owner)
		import_add(control, false,
			   WORDS("owner",
				 colon ? import_text("%.*s", (int)(colon - owner), owner) : owner));
	if (colon)
		import_add(control, false, WORDS("group", colon + 1));
}

/* Section, entry (NULL: any), and why it is not carried over. */
static const char *const reasons[][3] = {
	{"supervisord", "nodaemon", "lbd -f stays in the foreground"},
	{"supervisord", "loglevel", "lbd logs what an operator has to know"},
	{"supervisord", "identifier", "lbd -n names an instance"},
	{"supervisord", "user", "lbd needs root for BPF; each worker has its own user"},
	{"supervisord", "nocleanup", "logs of former processes are never removed"},
	{"supervisord", "strip_ansi", "logs are kept as they come"},
	{"supervisord", "silent", "lbd -f logs to standard error, else it does not"},
	{"unix_http_server", "file", "the control socket is /run/lbd/INSTANCE/control"},
	{"unix_http_server", "username",
	 "who may change is told by the socket's peer, not a password"},
	{"unix_http_server", "password",
	 "who may change is told by the socket's peer, not a password"},
	{"inet_http_server", NULL, "lbd is not controlled over the network; use lbctl over ssh"},
	{"supervisorctl", NULL, "lbctl finds lbd's socket by the instance"},
	{"rpcinterface:", NULL, "lbd has no plug-ins; lbctl -j speaks JSON"},
	{"ctlplugin:", NULL, "lbd has no plug-ins; lbctl -j speaks JSON"},
	{"group:", NULL, "a pool is a group: its workers are POOL:* to lbctl"},
};

static const char *why_not_section(const char *section, const char *entry)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		if (strncmp(section, reasons[i][0], strlen(reasons[i][0])) == 0 &&
		    (!reasons[i][1] || strcmp(entry, reasons[i][1]) == 0))
			return reasons[i][2];
	return "nothing in lbd corresponds to it";
}

static bool is_of_program(const char *section)
{
	return strncmp(section, "program:", 8) == 0 ||
	       strncmp(section, "eventlistener:", 14) == 0 ||
	       strncmp(section, "fcgi-program:", 13) == 0;
}

void import_supervisor_emit(struct import *import)
{
	for (size_t i = 0; i < import->section_count; i++) {
		struct import_section *section = &import->sections[i];

		if (strcmp(section->name, "supervisord") == 0)
			emit_supervisord(import, section);
		else if (strcmp(section->name, "unix_http_server") == 0)
			emit_socket(import, section);
	}
}

void import_supervisor_drop(struct import *import)
{
	for (size_t i = 0; i < import->section_count; i++) {
		struct import_section *section = &import->sections[i];

		for (size_t k = 0; k < section->count && !is_of_program(section->name); k++)
			if (!section->entries[k].used)
				import_drop(import->out, &section->entries[k].at,
					    why_not_section(section->name,
							    section->entries[k].name));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The worker block of a program of supervisor. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/model.h"

static struct block *set_word(struct block *worker, const char *name, const char *value)
{
	return import_add(worker, false, WORDS(name, value));
}

static bool is_true(const char *value)
{
	return strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 ||
	       strcasecmp(value, "on") == 0 || strcmp(value, "1") == 0;
}

/* KEY="value",KEY2=value2 as words of `environment`. */
static void emit_environment(const char *text, struct block *worker)
{
	const char **words = import_keep(calloc(strlen(text) + 2, sizeof(*words)));
	size_t count = 1;

	words[0] = "environment";
	while (*text) {
		size_t name = strcspn(text, "=");
		char quote = text[name] ? text[name + 1] : '\0';
		const char *value = text + name + (text[name] != '\0');
		size_t length;

		if (quote == '"' || quote == '\'')
			length = strcspn(++value, quote == '"' ? "\"" : "'");
		else
			length = strcspn(value, ", \t");
		words[count++] = import_text("%.*s=%.*s", (int)name, text, (int)length, value);
		text = value + length;
		text += strspn(text, "\"', \t");
	}
	words[count] = NULL;
	if (count > 1)
		import_add(worker, false, words);
}

/* A log file that all processes of a program share would be rotated by each: one for each of them. */
static char *log_path(const struct import_program *program, const char *path)
{
	const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
	char *whole = *path == '/' ? import_text("%s", path)
				   : import_text("%s/%s", program->section->here, path);

	if (program->count == 1 || strstr(path, "$port"))
		return whole;
	if (!dot || (slash && dot < slash))
		return import_text("%s-$port", whole);
	return import_text("%.*s-$port%s", (int)(strlen(whole) - strlen(dot)), whole, dot);
}

static void emit_file(struct import_program *program, const char *stream, const char *path,
		      struct block *worker)
{
	char *size_name = import_text("%s_logfile_maxbytes", stream);
	char *files_name = import_text("%s_logfile_backups", stream);
	const char *files = import_value(program->section, files_name, "10");
	char *size = import_size(import_value(program->section, size_name, "50MB"));
	char *file = log_path(program, path);

	import_add(worker, false, WORDS(stream, file, "size", size, "files", files));
	if (!strstr(path, "$port") && program->count > 1) {
		const struct import_entry *entry =
			import_entry_of(program->section, strcmp(stream, "stdout")
								  ? "stderr_logfile"
								  : "stdout_logfile");

		import_comment_before(worker->last, "%s:%u: %s: now a file for each worker",
				      entry->at.file, entry->at.line, entry->at.text);
	}
}

/* AUTO and nothing at all are what lbd does by itself. */
static void emit_stream(struct import_program *program, const char *stream, const char *path,
			struct block *worker)
{
	char *syslog_name = import_text("%s_syslog", stream);
	bool syslog = is_true(import_value(program->section, syslog_name, "false"));

	if (syslog || (path && strcasecmp(path, "syslog") == 0))
		set_word(worker, stream, "syslog");
	else if (path && strncmp(path, "/dev/", 5) == 0)
		set_word(worker, stream, strcmp(path, "/dev/null") ? "journal" : "none");
	else if (path && strcasecmp(path, "none") == 0)
		set_word(worker, stream, "none");
	else if (path && strcasecmp(path, "auto") != 0)
		emit_file(program, stream, path, worker);
}

static void emit_streams(struct import_program *program, struct block *worker)
{
	bool merged = is_true(import_value(program->section, "redirect_stderr", "false"));
	const struct import_entry *ignored = import_entry_of(program->section, "stderr_logfile");

	emit_stream(program, "stdout", program->stdout_log, worker);
	if (!merged)
		emit_stream(program, "stderr", program->stderr_log, worker);
	else if (ignored)
		import_drop(worker, &ignored->at,
			    "redirect_stderr sends it with standard output, as it did");
}

static void emit_restart(struct import_program *program, struct block *worker)
{
	struct import_section *section = program->section;
	const char *restart = import_value(section, "autorestart", "unexpected");
	const char *codes = import_value(section, "exitcodes", NULL);
	char *copy = import_text("%s", codes ? codes : ""), *rest = copy, *code;
	const char *words[258] = {"exit_codes"};
	size_t count = 1;

	set_word(worker, "restart",
		 strcasecmp(restart, "unexpected") == 0 ? "on_failure"
		 : is_true(restart)                     ? "always"
							: "never");
	while ((code = strsep(&rest, ", \t")) && count < 257)
		if (*code)
			words[count++] = code;
	if (count > 1)
		import_add(worker, false, words);
}

/* Entries that are one word in lbd too; seconds get their unit. */
static void emit_plain(struct import_program *program, struct block *worker)
{
	static const struct {
		const char *theirs, *ours;
		bool seconds;
	} rows[] = {
		{"user", "user", false},
		{"umask", "umask", false},
		{"priority", "priority", false},
		{"startretries", "start_retries", false},
		{"stopsignal", "stop_signal", false},
		{"startsecs", "stable", true},
		{"stopwaitsecs", "stop_timeout", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *value = import_value(program->section, rows[i].theirs, NULL);

		if (value)
			set_word(worker, rows[i].ours,
				 rows[i].seconds ? import_text("%ss", value) : value);
	}
	if (!is_true(import_value(program->section, "autostart", "true")))
		set_word(worker, "autostart", "off");
}

/* What its processes had from supervisord itself. */
static void emit_inherited(struct import *import, struct import_program *program,
			   struct block *worker)
{
	for (size_t i = 0; i < import->section_count; i++) {
		struct import_section *daemon = &import->sections[i];
		struct import_names names = {.here = daemon->here, .program = "", .group = ""};
		const char *directory, *umask, *environment;

		if (strcmp(daemon->name, "supervisord") != 0)
			continue;
		directory = import_value(daemon, "directory", NULL);
		umask = import_value(daemon, "umask", NULL);
		environment = import_value(daemon, "environment", NULL);
		if (!program->directory && directory)
			program->directory = import_format(directory, &names);
		if (umask && !import_entry_of(program->section, "umask"))
			set_word(worker, "umask", umask);
		environment = environment ? import_format(environment, &names) : NULL;
		if (environment)
			emit_environment(environment, worker);
	}
	if (program->directory)
		set_word(worker, "directory", program->directory);
}

static const char *why_not_entry(const char *name)
{
	static const char *const rows[][2] = {
		{"process_name", "a worker is called by its pool and port"},
		{"killasgroup", "what a worker leaves behind is killed with it, always"},
		{"stopasgroup",
		 "the stop signal goes to the process that was started; what is left "
		 "is killed"},
		{"serverurl", "lbd has no XML-RPC; see lbctl -j"},
		{"stdout_capture_maxbytes", "lbd has no events"},
		{"stderr_capture_maxbytes", "lbd has no events"},
		{"stdout_events_enabled", "lbd has no events"},
		{"stderr_events_enabled", "lbd has no events"},
		{"stdout_logfile_maxbytes", "this stream goes to no file of its own"},
		{"stdout_logfile_backups", "this stream goes to no file of its own"},
		{"stderr_logfile_maxbytes", "this stream goes to no file of its own"},
		{"stderr_logfile_backups", "this stream goes to no file of its own"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i][0], name) == 0)
			return rows[i][1];
	return "nothing in lbd corresponds to it";
}

void import_worker_emit(struct import *import, struct import_program *program, struct block *pool)
{
	struct block *worker = import_add(pool, true, WORDS("worker"));
	const struct import_place *at = &program->section->at;

	import_comment_before(worker, "%s:%u: %s", at->file, at->line, at->text);
	set_word(worker, "command", program->command);
	if (program->counts_from_one)
		import_comment_before(worker->last,
				      "$index counts from 0, where process_num began otherwise");
	set_word(worker, "ports",
		 program->count == 1 ? import_text("%u", program->first_port)
				     : import_text("%u-%u", program->first_port,
						   program->first_port + program->count - 1));
	if (program->address)
		set_word(worker, "address", program->address);
	emit_inherited(import, program, worker);
	if (program->environment)
		emit_environment(program->environment, worker);
	emit_plain(program, worker);
	emit_restart(program, worker);
	emit_streams(program, worker);
	for (size_t i = 0; i < program->section->count; i++)
		if (!program->section->entries[i].used)
			import_drop(worker, &program->section->entries[i].at,
				    why_not_entry(program->section->entries[i].name));
}

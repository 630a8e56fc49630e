/* SPDX-License-Identifier: Apache-2.0 */
/* supervisord.conf: the sections of an ini file, with its includes. */
#include <errno.h>
#include <glob.h>
#include <ini.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "import/model.h"

/*
 * inih takes lines of up to 200 bytes and tells no numbers: the reader below counts, and hands longer
 * ones on in pieces, each after the first as a continuation.
 */
enum { PIECE_BYTES = 160, INCLUDE_DEPTH_MAX = 8 };

struct reader {
	struct import *import;
	FILE *in;
	const char *path, *here;
	char *line; /* the whole one */
	size_t room;
	const char *rest; /* of it that inih has not had yet; NULL: read another */
	unsigned number;
	bool piece;       /* what inih has now continues a long line */
	bool found;       /* any section of supervisor's */
	unsigned section; /* line of the last [section] */
};

/* Where to cut: between two characters that no syntax concerns. */
static size_t cut_of(const char *text)
{
	size_t cut = strlen(text);

	if (cut <= PIECE_BYTES)
		return cut;
	for (cut = PIECE_BYTES; cut > 1; cut--)
		if (!strchr(" \t;#[\"'=:", text[cut]) && !strchr(" \t", text[cut - 1]))
			return cut;
	return PIECE_BYTES;
}

/* As fgets(3), for inih. */
static char *read_piece(char *to, int room, void *arg)
{
	struct reader *reader = arg;
	size_t cut;

	reader->piece = reader->rest != NULL;
	if (!reader->rest) {
		if (getline(&reader->line, &reader->room, reader->in) < 0)
			return NULL;
		reader->line[strcspn(reader->line, "\r\n")] = '\0';
		reader->rest = reader->line;
		reader->number++;
		if (*reader->line == '[')
			reader->section = reader->number;
	}
	cut = cut_of(reader->rest);
	snprintf(to, (size_t)room, "%s%.*s\n", reader->piece ? " " : "", (int)cut, reader->rest);
	reader->rest = reader->rest[cut] ? reader->rest + cut : NULL;
	return to;
}

static bool is_ours(const char *section)
{
	static const char *const kinds[] = {"supervisord",      "supervisorctl", "unix_http_server",
					    "inet_http_server", "include",       "program:",
					    "eventlistener:",   "fcgi-program:", "group:",
					    "rpcinterface:",    "ctlplugin:"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strncmp(section, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static struct import_section *section_of(struct reader *reader, const char *name)
{
	struct import *import = reader->import;
	struct import_section *last =
		import->section_count ? &import->sections[import->section_count - 1] : NULL;

	if (last && last->at.file == reader->path && strcmp(last->name, name) == 0)
		return last;
	last = import_grow((void **)&import->sections, import->section_count++, sizeof(*last));
	last->at = (struct import_place){reader->path, reader->section, import_text("[%s]", name)};
	last->name = import_text("%s", name);
	last->here = reader->here;
	reader->found |= is_ours(name);
	return last;
}

static int take_entry(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *reader = arg;
	struct import_section *into = section_of(reader, section);
	struct import_entry *last = into->count ? &into->entries[into->count - 1] : NULL;

	if (last && strcmp(last->name, name) == 0 &&
	    (reader->piece || strchr(" \t", *reader->line))) {
		last->value = import_text("%s%s%s", last->value, reader->piece ? "" : " ", value);
	} else {
		last = import_grow((void **)&into->entries, into->count++, sizeof(*last));
		last->name = import_text("%s", name);
		last->value = import_text("%s", value);
		last->at.file = reader->path;
		last->at.line = reader->number;
	}
	last->at.text = import_text("%s = %.160s", last->name, last->value);
	return 1;
}

static int read_file(struct import *import, const char *path, unsigned depth, struct error *error);

/* Programs may be meant to be there. */
static void drop_include(struct import *import, const struct import_section *section,
			 const char *pattern, const char *formatted)
{
	struct import_entry *entry = import_entry_of(section, "files");
	struct import_place at = entry ? entry->at : section->at;

	at.text = import_text("include %s", pattern);
	import_drop(import->out, &at,
		    import_text("no file is at %s; where there is one, import that, too",
				formatted));
}

/* The patterns of [include]'s files. */
static int read_includes(struct import *import, size_t section, const char *here, unsigned depth,
			 struct error *error)
{
	const char *patterns = import_value(&import->sections[section], "files", "");
	char *copy = import_text("%s", patterns), *rest = copy, *pattern;
	struct import_names names = {.here = here, .program = "", .group = ""};
	int code = 0;

	while (!code && (pattern = strsep(&rest, " \t"))) {
		char *formatted = import_format(pattern, &names);
		glob_t found = {0};

		if (!*pattern || !formatted)
			continue;
		if (*formatted != '/')
			formatted = import_text("%s/%s", here, formatted);
		if (glob(formatted, 0, NULL, &found))
			drop_include(import, &import->sections[section], pattern, formatted);
		else
			for (size_t i = 0; i < found.gl_pathc && !code; i++)
				code = read_file(import, import_text("%s", found.gl_pathv[i]),
						 depth + 1, error);
		globfree(&found);
	}
	return code;
}

static int read_file(struct import *import, const char *path, unsigned depth, struct error *error)
{
	char *whole = realpath(path, NULL);
	struct reader reader = {.import = import, .in = fopen(path, "re"), .path = path};
	size_t before = import->section_count;
	int line, code = 0;

	if (!reader.in || !whole) {
		error_set(error, -errno, "%s: %s", path, strerror(errno));
		free(whole);
		if (reader.in)
			fclose(reader.in);
		return -ENOENT;
	}
	reader.here = dirname(import_keep(whole));
	line = ini_parse_stream(read_piece, &reader, take_entry, &reader);
	fclose(reader.in);
	free(reader.line);
	if (line != 0)
		return error_set(error, -EINVAL,
				 "%s: a line of no section, or one that is no name = value, among "
				 "its lines; see what supervisord says of it",
				 path);
	if (!reader.found)
		return error_set(error, -EINVAL,
				 "%s: has [sections], but none of supervisord.conf; allowed: files "
				 "of supervisor and nginx",
				 path);
	for (size_t i = before; i < import->section_count && !code && depth < INCLUDE_DEPTH_MAX;
	     i++) {
		struct import_section *section = &import->sections[i];

		if (section->at.file == path && strcmp(section->name, "include") == 0)
			code = read_includes(import, i, reader.here, depth, error);
	}
	return code;
}

int import_supervisor_read(struct import *import, const char *path, struct error *error)
{
	return read_file(import, path, 0, error);
}

struct import_entry *import_entry_of(const struct import_section *section, const char *name)
{
	for (size_t i = 0; section && i < section->count; i++)
		if (strcmp(section->entries[i].name, name) == 0)
			return &section->entries[i];
	return NULL;
}

const char *import_value(struct import_section *section, const char *name, const char *otherwise)
{
	struct import_entry *entry = import_entry_of(section, name);

	if (!entry)
		return otherwise;
	entry->used = true;
	return entry->value;
}

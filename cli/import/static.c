/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a server of nginx that serves files, as a `static` block. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "import/model.h"

enum { PATTERNS_MAX = 32, OWN_PORT_FIRST = 8000 };

/* Where a location's rules go. */
struct files {
	struct import *import;
	struct block *block; /* the `static` */
	const char *root;
	const char *patterns[PATTERNS_MAX + 1]; /* of the location, NULL-ended */
	const struct block *location;
};

/* \.(css|js)$ and \.css$ as *.css, *.js; 0: another expression. */
static size_t extensions_of(const char *regex, const char **patterns)
{
	char *copy = import_text("%s", regex), *rest = copy, *part;
	size_t count = 0, length = strlen(copy);
	bool known = strncmp(copy, "\\.", 2) == 0 && copy[length - 1] == '$';

	if (known) {
		copy[length - 1] = '\0';
		rest = copy + 2;
	}
	if (known && *rest == '(' && copy[length - 2] == ')') {
		copy[length - 2] = '\0';
		rest += strncmp(rest, "(?:", 3) == 0 ? 3 : 1;
	}
	while (known && (part = strsep(&rest, "|"))) {
		/* jpe?g is two. */
		char *optional = strchr(part, '?');

		if (optional && optional > part && count < PATTERNS_MAX) {
			patterns[count++] = import_text("*.%.*s%s", (int)(optional - part - 1),
							part, optional + 1);
			memmove(optional, optional + 1, strlen(optional));
		}
		for (const char *c = part; *c; c++)
			known &= isalnum((unsigned char)*c) || *c == '-' || *c == '_';
		if (count < PATTERNS_MAX)
			patterns[count++] = import_text("*.%s", part);
	}
	return known ? count : 0;
}

/* location [= | ^~ | ~ | ~*] PATTERN; false: it has none of lbstatic's. */
static bool read_patterns(struct files *files, const struct block *location)
{
	const char *modifier = location->count == 3 ? location->words[1] : "";
	size_t count = 1;

	files->patterns[0] = location->count > 1 ? location->words[location->count - 1] : "/";
	if (*modifier == '~')
		count = extensions_of(files->patterns[0], files->patterns);
	files->patterns[count] = NULL;
	return count > 0 && *files->patterns[0];
}

static void add_rule(struct files *files, const struct block *at, const char *pattern,
		     const char *name, const char *value)
{
	if (strchr(value, '$'))
		import_drop_block(files->block, at, "lbstatic knows no variables of nginx");
	else
		import_add(files->block, false, WORDS(name, pattern, value));
}

/* 30d, 1h30m, 1y ... in seconds; -1 where it is none. */
static long long seconds_of(const char *text)
{
	static const char units[] = "smhdwMy";
	static const long long scale[] = {1, 60, 3600, 86400, 604800, 2592000, 31536000};
	long long sum = 0;

	while (*text) {
		char *end;
		long long number = strtoll(text, &end, 10);
		const char *unit = *end ? strchr(units, *end) : units;

		if (end == text || !unit || number < 0)
			return -1;
		sum += number * scale[unit - units];
		text = *end ? end + 1 : end;
	}
	return sum;
}

static void emit_expires(struct files *files, const struct block *at, const char *pattern)
{
	const char *text = at->words[at->count - 1];
	long long seconds = strcmp(text, "max") == 0 ? 315360000 : seconds_of(text);

	if (strcmp(text, "off") == 0)
		add_rule(files, at, pattern, "expires", "off");
	else if (seconds >= 0)
		add_rule(files, at, pattern, "expires", import_text("%llds", seconds));
	else
		add_rule(files, at, pattern, "header", "Cache-Control: no-cache");
}

static void emit_header(struct files *files, const struct block *at, const char *pattern)
{
	if (at->count < 3)
		return;
	add_rule(files, at, pattern, "header", import_text("%s: %s", at->words[1], at->words[2]));
}

/* root of a location is the directory that the whole path starts from; alias takes its prefix' place. */
static void emit_root(struct files *files, const struct block *at, const char *pattern)
{
	if (at->count != 2 ||
	    (strcmp(at->words[0], "root") == 0 && strcmp(at->words[1], files->root) == 0))
		return;
	if (*pattern != '/')
		import_drop_block(files->block, at,
				  "another directory is for a path's beginning only");
	else if (strcmp(at->words[0], "alias") == 0)
		import_add(files->block, false, WORDS("alias", pattern, at->words[1]));
	else
		import_add(files->block, false,
			   WORDS("alias", pattern, import_text("%s%s", at->words[1], pattern)));
}

static void emit_try_files(struct files *files, const struct block *at, const char *pattern)
{
	const char *last = at->words[at->count - 1];

	if (*last == '/' && !strchr(last, '$'))
		import_add(files->block, false, WORDS("fallback", pattern, last));
	else if (strcmp(last, "=404") != 0)
		import_drop_block(files->block, at, "its last resort is none of lbstatic's");
}

static void emit_access(struct files *files, const struct block *at, const char *pattern)
{
	/* Of a server, they are the service's rules already. */
	if (files->location)
		import_add(files->block, false, WORDS(at->words[0], at->words[1], pattern));
}

static void emit_index(struct files *files, const struct block *at, const char *pattern)
{
	(void)pattern;
	if (!block_find(files->block, WORDS("index")))
		import_add(files->block, false, (const char *const *)at->words);
}

static void emit_listing(struct files *files, const struct block *at, const char *pattern)
{
	(void)pattern;
	if (!block_find(files->block, WORDS("listing")))
		import_add(files->block, false, WORDS("listing", at->words[1]));
}

static void emit_error_page(struct files *files, const struct block *at, const char *pattern)
{
	(void)pattern;
	for (size_t i = 1; i + 1 < at->count; i++)
		if (*at->words[i] != '=' && *at->words[at->count - 1] == '/')
			import_add(files->block, false,
				   WORDS("error_page", at->words[i], at->words[at->count - 1]));
}

static void emit_auth(struct files *files, const struct block *at, const char *pattern)
{
	const struct block *file =
		block_find(files->location ? files->location : at, WORDS("auth_basic_user_file"));

	if (file && file->count == 2 && strcmp(at->words[1], "off") != 0)
		import_add(files->block, false,
			   WORDS("auth", pattern, file->words[1], at->words[1]));
	else
		import_drop_block(files->block, at, "it has no auth_basic_user_file beside it");
}

static void emit_nothing(struct files *files, const struct block *at, const char *pattern)
{
	(void)files;
	(void)at;
	(void)pattern;
}

static const struct {
	const char *name;
	void (*emit)(struct files *files, const struct block *at, const char *pattern);
} rows[] = {
	{"expires", emit_expires},     {"add_header", emit_header},
	{"root", emit_root},           {"alias", emit_root},
	{"try_files", emit_try_files}, {"allow", emit_access},
	{"deny", emit_access},         {"index", emit_index},
	{"autoindex", emit_listing},   {"error_page", emit_error_page},
	{"auth_basic", emit_auth},     {"auth_basic_user_file", emit_nothing},
	{"listen", emit_nothing},      {"location", emit_nothing},
};

static void emit_one(struct files *files, const struct block *at)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (strcmp(at->words[0], rows[i].name) != 0)
			continue;
		for (size_t k = 0; files->patterns[k] && at->count > 1; k++)
			rows[i].emit(files, at, files->patterns[k]);
		return;
	}
	import_drop_block(files->block, at, import_why(at->words[0]));
}

static void emit_location(struct files *files, const struct block *location)
{
	if (!read_patterns(files, location)) {
		import_drop_block(files->block, location,
				  "lbstatic has /prefix, *.ext and globs, no regular expressions");
		return;
	}
	files->location = location;
	for (const struct block *at = location->first; at; at = at->next)
		emit_one(files, at);
}

/* The server's own, else that of its first location with one, else nginx's. */
static const char *root_of(const struct block *server)
{
	const struct block *root = block_find(server, WORDS("root"));

	for (const struct block *at = server->first; at && !root; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && import_is_static(at))
			root = block_find(at, WORDS("root"));
	for (const struct block *at = server->first; at && !root; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && import_is_static(at))
			root = block_find(at, WORDS("alias"));
	return root && root->count == 2 ? root->words[1] : "/usr/share/nginx/html";
}

static bool is_used(const struct import *import, unsigned port)
{
	char *end = import_text(":%u", port);

	for (size_t i = 0; i < import->listen_count; i++)
		if (strcmp(strrchr(import->listens[i], ':'), end) == 0)
			return true;
	for (size_t i = 0; i < import->upstream_count; i++)
		for (size_t k = 0; k < import->upstreams[i].count; k++)
			if (ntohs(import->upstreams[i].servers[k].endpoint.port) == port)
				return true;
	for (size_t i = 0; i < import->program_count; i++)
		if (port >= import->programs[i].first_port &&
		    port < import->programs[i].first_port + import->programs[i].count)
			return true;
	return false;
}

static void emit_own_port(struct files *files)
{
	unsigned port = OWN_PORT_FIRST;
	char *listen;

	while (is_used(files->import, port))
		port++;
	listen = import_text("0.0.0.0:%u", port);
	*(char **)import_grow((void **)&files->import->listens, files->import->listen_count++,
			      sizeof(char *)) = listen;
	import_add(files->block, false, WORDS("listen", listen));
	import_comment_before(
		files->block,
		"lbd does not read paths: what nginx served from files beside the "
		"workers is on a port of its own; link there, or let the workers serve it");
}

static char *name_of(const struct import *import, const struct block *server)
{
	const struct block *name = block_find(server, WORDS("server_name"));
	bool plain = name && name->count > 1 && isalnum((unsigned char)name->words[1][0]);

	return import_pool_name(import, plain ? import_text("%s_files", name->words[1]) : "files");
}

void import_static_emit(struct import *import, const struct block *server, char *const *listens)
{
	struct files files = {.import = import, .root = root_of(server), .patterns = {"/"}};
	bool alone = listens != NULL;

	files.block = import_add(import->out, true, WORDS("static", name_of(import, server)));
	import_comment_before(files.block, "%s:%u: server", server->file, server->line);
	for (; alone && *listens; listens++)
		import_add(files.block, false, WORDS("listen", *listens));
	if (!alone)
		emit_own_port(&files);
	import_add(files.block, false, WORDS("root", files.root));
	if (alone) {
		import_access(server, files.block);
		for (const struct block *at = server->first; at; at = at->next)
			emit_one(&files, at);
	}
	for (const struct block *at = server->first; at; at = at->next) {
		if (strcmp(at->words[0], "location") != 0)
			continue;
		if (import_is_static(at))
			emit_location(&files, at);
		else if (alone)
			import_drop_block(files.block, at, "lbstatic serves files only");
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a location of nginx is for: clients that are passed on, or files. */
#include <string.h>

#include "import/model.h"

bool import_is_proxy(const struct block *location)
{
	return block_find(location, WORDS("proxy_pass")) != NULL;
}

bool import_is_static(const struct block *location)
{
	static const char *const names[] = {"root",       "alias",     "expires",
					    "add_header", "try_files", "autoindex"};

	if (import_is_proxy(location) || block_find(location, WORDS("fastcgi_pass")) ||
	    block_find(location, WORDS("uwsgi_pass")) || block_find(location, WORDS("return")))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (block_find(location, WORDS(names[i])))
			return true;
	return false;
}

/* `location / { try_files $uri @app; }`: what is no file is for that location; NULL: it is not so. */
static const struct block *fallback_of(const struct block *server, const struct block *location)
{
	const struct block *try_files = block_find(location, WORDS("try_files"));
	const char *last = try_files ? try_files->words[try_files->count - 1] : "";

	for (const struct block *at = server->first; at && *last == '@'; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && import_is_proxy(at) &&
		    strcmp(at->words[at->count - 1], last) == 0)
			return at;
	return NULL;
}

static bool is_location(const struct block *at, const char *path)
{
	return strcmp(at->words[0], "location") == 0 && strcmp(at->words[at->count - 1], path) == 0;
}

/*
 * What clients get at /, by itself or where no file is there (of the location, or of the server), else the first that
 * is passed on; a server of `stream` is one itself.
 */
const struct block *import_main_proxy(const struct block *server)
{
	const struct block *first = import_is_proxy(server) ? server : NULL, *found;

	for (const struct block *at = server->first; at; at = at->next) {
		if (!is_location(at, "/"))
			continue;
		found = import_is_proxy(at) ? at : fallback_of(server, at);
		if (found)
			return found;
	}
	if (!first)
		first = fallback_of(server, server);
	for (const struct block *at = server->first; at && !first; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && import_is_proxy(at))
			first = at;
	return first;
}

bool import_has_files(const struct block *server)
{
	for (const struct block *at = server->first; at; at = at->next)
		if (strcmp(at->words[0], "location") == 0 && import_is_static(at))
			return true;
	return import_is_static(server) && !import_main_proxy(server);
}

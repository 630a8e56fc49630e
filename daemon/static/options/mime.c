// SPDX-License-Identifier: Apache-2.0
#include "static/options/mime.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXTENSION_BYTES = 16 };

struct pair {
	char extension[EXTENSION_BYTES];
	const char *type;
};

struct mime {
	struct pair *pairs; /* by extension */
	size_t count, room;
	char *text; /* what the types point into */
};

/* Sorted: searched when the file knows better about nothing. */
static const struct pair builtin[] = {
	{"avif", "image/avif"},
	{"bmp", "image/bmp"},
	{"css", "text/css"},
	{"csv", "text/csv"},
	{"eot", "application/vnd.ms-fontobject"},
	{"flac", "audio/flac"},
	{"gif", "image/gif"},
	{"gz", "application/gzip"},
	{"htm", "text/html"},
	{"html", "text/html"},
	{"ico", "image/x-icon"},
	{"jpeg", "image/jpeg"},
	{"jpg", "image/jpeg"},
	{"js", "text/javascript"},
	{"json", "application/json"},
	{"m4a", "audio/mp4"},
	{"map", "application/json"},
	{"md", "text/markdown"},
	{"mjs", "text/javascript"},
	{"mp3", "audio/mpeg"},
	{"mp4", "video/mp4"},
	{"oga", "audio/ogg"},
	{"ogg", "audio/ogg"},
	{"ogv", "video/ogg"},
	{"opus", "audio/ogg"},
	{"otf", "font/otf"},
	{"pdf", "application/pdf"},
	{"png", "image/png"},
	{"svg", "image/svg+xml"},
	{"tar", "application/x-tar"},
	{"ttf", "font/ttf"},
	{"txt", "text/plain"},
	{"wasm", "application/wasm"},
	{"wav", "audio/wav"},
	{"webm", "video/webm"},
	{"webmanifest", "application/manifest+json"},
	{"webp", "image/webp"},
	{"woff", "font/woff"},
	{"woff2", "font/woff2"},
	{"xhtml", "application/xhtml+xml"},
	{"xml", "application/xml"},
	{"zip", "application/zip"},
	{"zst", "application/zstd"},
};

static int compare_pairs(const void *a, const void *b)
{
	return strcasecmp(((const struct pair *)a)->extension, ((const struct pair *)b)->extension);
}

static int add_pair(struct mime *mime, const char *extension, const char *type)
{
	struct pair *pairs;

	if (strlen(extension) >= EXTENSION_BYTES)
		return 0;
	if (mime->count == mime->room) {
		mime->room = mime->room ? mime->room * 2 : 256;
		pairs = realloc(mime->pairs, mime->room * sizeof(*pairs));
		if (!pairs)
			return -ENOMEM;
		mime->pairs = pairs;
	}
	memcpy(mime->pairs[mime->count].extension, extension, strlen(extension) + 1);
	mime->pairs[mime->count++].type = type;
	return 0;
}

/* One line: a type and its extensions; '#' begins a comment. */
static int add_types(struct mime *mime, char *line)
{
	static const char blank[] = " \t\r";
	char *rest, *type, *extension;
	int err = 0;

	line[strcspn(line, "#")] = '\0';
	type = strtok_r(line, blank, &rest);
	while (type && !err && (extension = strtok_r(NULL, blank, &rest)))
		err = add_pair(mime, extension, type);
	return err;
}

static int read_file(const char *path, char **text)
{
	FILE *file = fopen(path, "re");
	size_t room = 0;

	if (!file)
		return -errno;
	*text = NULL;
	/* A NUL never comes in a text file: the delimiter takes it whole. */
	if (getdelim(text, &room, '\0', file) < 0) {
		free(*text);
		*text = strdup("");
	}
	fclose(file);
	return *text ? 0 : -ENOMEM;
}

int mime_load(const char *path, struct mime **out)
{
	struct mime *mime = calloc(1, sizeof(*mime));
	char *line, *rest;
	int err = 0;

	if (!mime)
		return -ENOMEM;
	if (path)
		err = read_file(path, &mime->text);
	rest = mime->text;
	while (!err && (line = strsep(&rest, "\n")))
		err = add_types(mime, line);
	if (err) {
		mime_free(mime);
		return err;
	}
	if (mime->count)
		qsort(mime->pairs, mime->count, sizeof(*mime->pairs), compare_pairs);
	*out = mime;
	return 0;
}

void mime_free(struct mime *mime)
{
	if (!mime)
		return;
	free(mime->pairs);
	free(mime->text);
	free(mime);
}

static const char *find_type(const struct pair *pairs, size_t count, const struct pair *key)
{
	const struct pair *found =
		count ? bsearch(key, pairs, count, sizeof(*pairs), compare_pairs) : NULL;

	return found ? found->type : NULL;
}

const char *mime_find(const struct mime *mime, const char *path)
{
	const char *name = strrchr(path, '/'), *dot = strrchr(name ? name : path, '.');
	const char *type = NULL;
	struct pair key = {.type = NULL};

	if (dot && strlen(dot + 1) < EXTENSION_BYTES) {
		memcpy(key.extension, dot + 1, strlen(dot + 1) + 1);
		type = find_type(mime->pairs, mime->count, &key);
		if (!type)
			type = find_type(builtin, sizeof(builtin) / sizeof(*builtin), &key);
	}
	return type ? type : "application/octet-stream";
}

int mime_is_text(const char *type)
{
	return !strncmp(type, "text/", 5) || !strcmp(type, "application/javascript") ||
	       !strcmp(type, "application/manifest+json") || !strcmp(type, "image/svg+xml");
}

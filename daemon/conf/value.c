/* SPDX-License-Identifier: Apache-2.0 */
/* Values of directives: what their words mean, and the setters that put them into fields. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/table.h"

/* Digits, then one of the suffixes; its scale is where it stands in scales. */
static int parse_scaled(const char *text, const char *const *suffixes, const uint64_t *scales,
			uint64_t most, uint64_t *value)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t number;

	if (digits == 0 || digits > 18)
		return -EINVAL;
	number = strtoull(text, NULL, 10);
	for (size_t i = 0; suffixes[i]; i++) {
		if (strcasecmp(text + digits, suffixes[i]) != 0)
			continue;
		if (__builtin_mul_overflow(number, scales[i], value) || *value > most)
			return -EINVAL;
		return 0;
	}
	return -EINVAL;
}

int conf_parse_number(const char *text, uint64_t most, uint64_t *number)
{
	static const char *const suffixes[] = {"", NULL};
	static const uint64_t scales[] = {1};

	return parse_scaled(text, suffixes, scales, most, number);
}

int conf_parse_ms(const char *text, uint64_t most, uint64_t *ms)
{
	static const char *const suffixes[] = {"ms", "s", "m", "h", "d", NULL};
	static const uint64_t scales[] = {1, 1000, 60000, 3600000, 86400000};

	if (strcmp(text, "0") == 0) {
		*ms = 0;
		return 0;
	}
	return parse_scaled(text, suffixes, scales, most, ms);
}

int conf_parse_size(const char *text, uint64_t most, uint64_t *bytes)
{
	static const char *const suffixes[] = {"", "k", "m", "g", "t", NULL};
	static const uint64_t scales[] = {1, 1ULL << 10, 1ULL << 20, 1ULL << 30, 1ULL << 40};

	return parse_scaled(text, suffixes, scales, most, bytes);
}

int conf_parse_range(const char *text, uint64_t most, uint64_t *first, uint64_t *last)
{
	size_t length = strlen(text);
	char copy[48], *dash;

	if (length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, length + 1);
	dash = strchr(copy, '-');
	if (dash)
		*dash = '\0';
	if (conf_parse_number(copy, most, first) ||
	    conf_parse_number(dash ? dash + 1 : copy, most, last))
		return -EINVAL;
	return *first <= *last ? 0 : -EINVAL;
}

static uint64_t most_of(const struct conf_directive *row)
{
	return row->most ? row->most : UINT32_MAX;
}

static void *target_field(void *target, const struct conf_directive *row)
{
	return (char *)target + row->offset;
}

/* Of the first word, by the parser, into a field of 4 or 8 bytes. */
static int set_parsed(void *target, const struct conf_directive *row, const struct block *at,
		      int (*parse)(const char *, uint64_t, uint64_t *), bool wide,
		      struct error *error)
{
	uint64_t value;

	if (parse(at->words[1], most_of(row), &value) || value < row->least)
		return conf_refuse(at, row, at->words[1], error);
	if (wide)
		*(uint64_t *)target_field(target, row) = value;
	else
		*(uint32_t *)target_field(target, row) = (uint32_t)value;
	return 0;
}

int conf_set_number(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	return set_parsed(target, row, at, conf_parse_number, false, error);
}

int conf_set_number64(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	return set_parsed(target, row, at, conf_parse_number, true, error);
}

int conf_set_ms(void *target, const struct conf_directive *row, const struct block *at,
		struct error *error)
{
	return set_parsed(target, row, at, conf_parse_ms, false, error);
}

int conf_set_size64(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	return set_parsed(target, row, at, conf_parse_size, true, error);
}

int conf_set_choice(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	for (uint32_t i = 0; row->choices[i]; i++) {
		if (strcmp(at->words[1], row->choices[i]) == 0) {
			*(uint32_t *)target_field(target, row) = i;
			return 0;
		}
	}
	return conf_refuse(at, row, at->words[1], error);
}

int conf_set_flag(void *target, const struct conf_directive *row, const struct block *at,
		  struct error *error)
{
	bool on = strcmp(at->words[1], "on") == 0;

	if (!on && strcmp(at->words[1], "off") != 0)
		return conf_refuse(at, row, at->words[1], error);
	*(bool *)target_field(target, row) = on;
	return 0;
}

int conf_copy(const struct block *at, char **to, const char *text, struct error *error)
{
	char *copy = strdup(text);

	if (!copy)
		return conf_no_memory(at, error);
	free(*to);
	*to = copy;
	return 0;
}

int conf_set_text(void *target, const struct conf_directive *row, const struct block *at,
		  struct error *error)
{
	if (!at->words[1][0])
		return conf_refuse(at, row, "", error);
	return conf_copy(at, target_field(target, row), at->words[1], error);
}

char *conf_path(const struct block *at, const char *text)
{
	const char *slash = at->line ? strrchr(at->file, '/') : NULL;
	char directory[PATH_MAX], *path, *whole;

	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - at->file + 1) : 1,
		 slash ? at->file : ".");
	path = *text == '/' || at->line == 0 ? NULL : realpath(directory, NULL);
	if (!path)
		return strdup(text);
	if (strcmp(text, ".") == 0)
		return path;
	if (asprintf(&whole, "%s/%s", path, text) < 0)
		whole = NULL;
	free(path);
	return whole;
}

int conf_set_path(void *target, const struct conf_directive *row, const struct block *at,
		  struct error *error)
{
	char **to = target_field(target, row);
	char *path;

	if (!at->words[1][0])
		return conf_refuse(at, row, "", error);
	path = conf_path(at, at->words[1]);
	if (!path)
		return conf_no_memory(at, error);
	free(*to);
	*to = path;
	return 0;
}

void *conf_grow(void **array, size_t count, size_t size)
{
	void *larger = *array;

	/* Room doubles when count is a power of two. */
	if ((count & (count - 1)) == 0)
		larger = reallocarray(*array, count ? count * 2 : 1, size);
	if (!larger)
		return NULL;
	*array = larger;
	memset((char *)larger + count * size, 0, size);
	return (char *)larger + count * size;
}

int conf_room(const struct block *at, void **array, size_t count, size_t size,
	      const struct conf_most *most, struct error *error)
{
	if (count == most->count)
		return block_error(at, error, -EINVAL,
				   "%s: found more than %zu %s; up to that many are allowed%s",
				   at->words[0], most->count, most->what, most->where);
	return conf_grow(array, count, size) ? 0 : conf_no_memory(at, error);
}

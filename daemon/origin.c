/* SPDX-License-Identifier: Apache-2.0 */
#include "origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "block_files.h"
#include "block_tree.h"
#include "ring.h"

#define ORIGIN_WORD "@origin"

struct source {
	char *file;
	uint64_t hash; /* 0: it says nothing, or is not there */
};

struct origin {
	struct source *list; /* the main file first */
	size_t count;
	bool is_broken; /* it could not be read as a whole */
};

static int print(const struct block *root, char **text)
{
	size_t length;
	FILE *out;

	*text = NULL;
	out = open_memstream(text, &length);
	if (!out)
		return -ENOMEM;
	if (root->first || root->tail)
		block_print(root, out);
	if (!fclose(out))
		return 0;
	free(*text);
	*text = NULL;
	return -ENOMEM;
}

int origin_text(const char *file, bool is_main, char **text, struct error *error)
{
	struct block *root = NULL;
	int err = block_parse_file(file, &root, error);

	if (err)
		return err;
	if ((!is_main && block_keep_tail(root)) || print(root, text))
		err = error_set(error, -ENOMEM, "%s: out of memory", file);
	block_free(root);
	return err;
}

static int hash_of(const char *file, bool is_main, uint64_t *hash)
{
	struct error ignored;
	char *text = NULL;
	int err = origin_text(file, is_main, &text, &ignored);

	*hash = !err && text && *text ? ring_name(text, strlen(text)) : 0;
	free(text);
	return err;
}

static struct source *find(const struct origin *origin, const char *file)
{
	for (size_t i = 0; i < origin->count; i++)
		if (!strcmp(origin->list[i].file, file))
			return &origin->list[i];
	return NULL;
}

static int add(struct origin *origin, const char *file, uint64_t hash)
{
	struct source *list;

	list = reallocarray(origin->list, origin->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	origin->list = list;
	list[origin->count] = (struct source){strdup(file), hash};
	return list[origin->count].file ? (origin->count++, 0) : -ENOMEM;
}

static bool is_main(const struct origin *origin, const char *file)
{
	return origin->count && !strcmp(origin->list->file, file);
}

int origin_renew(struct origin *origin, const char *file)
{
	struct source *known = find(origin, file);
	uint64_t hash;

	hash_of(file, is_main(origin, file), &hash);
	if (!known)
		return hash ? add(origin, file, hash) : 0;
	known->hash = hash;
	return 0;
}

void origin_forget(struct origin *origin, const char *file)
{
	struct source *known = find(origin, file);

	if (known)
		known->hash = 0;
}

enum origin_look origin_look(const struct origin *origin, const char *file)
{
	const struct source *known = find(origin, file);
	uint64_t hash;
	int err = hash_of(file, is_main(origin, file), &hash);

	if (err == -ENOENT)
		return ORIGIN_SAME;
	if (!known || !known->hash)
		return err || hash ? ORIGIN_NEW : ORIGIN_SAME;
	return err || hash != known->hash ? ORIGIN_CHANGED : ORIGIN_SAME;
}

const char *origin_file(const struct origin *origin, size_t i)
{
	return i < origin->count ? origin->list[i].file : NULL;
}

bool origin_has(const struct origin *origin, const char *file)
{
	const struct source *known = find(origin, file);

	return known && known->hash;
}

static bool has_all(const struct origin *origin, const struct origin *other)
{
	for (size_t i = 0; i < other->count; i++) {
		const struct source *same = find(origin, other->list[i].file);

		if ((same ? same->hash : 0) != other->list[i].hash)
			return false;
	}
	return true;
}

bool origin_equals(const struct origin *one, const struct origin *other)
{
	return !one->is_broken && !other->is_broken && has_all(one, other) && has_all(other, one);
}

static int renew_included(struct origin *origin, const struct block *root)
{
	const char **files = block_list_files(root);
	int err = files ? 0 : -ENOMEM;

	for (size_t i = 0; !err && files[i]; i++)
		err = origin_renew(origin, files[i]);
	free(files);
	return err;
}

/* A file that is not there is an empty one. */
static int read_all(struct origin *origin, const char *conf_path)
{
	struct block *root = NULL;
	struct error ignored;
	int err = block_parse_file(conf_path, &root, &ignored);

	if (err == -ENOENT)
		return 0;
	if (!err)
		err = block_include(root, &ignored);
	if (err)
		origin->is_broken = true;
	else
		err = renew_included(origin, root);
	block_free(root);
	return err;
}

struct origin *origin_read(const char *conf_path)
{
	struct origin *origin = calloc(1, sizeof(*origin));

	if (origin && !add(origin, conf_path, 0) && !origin_renew(origin, conf_path) &&
	    read_all(origin, conf_path) != -ENOMEM)
		return origin;
	origin_free(origin);
	return NULL;
}

void origin_free(struct origin *origin)
{
	if (!origin)
		return;
	for (size_t i = 0; i < origin->count; i++)
		free(origin->list[i].file);
	free(origin->list);
	free(origin);
}

void origin_print(const struct origin *origin, FILE *out)
{
	struct block *root = NULL;
	struct error ignored;
	char hash[20];

	if (block_parse("", "", 0, &root, &ignored))
		return;
	for (size_t i = 0; i < origin->count; i++) {
		snprintf(hash, sizeof(hash), "%016" PRIx64, origin->list[i].hash);
		block_append(root, false,
			     (const char *const[]){ORIGIN_WORD, origin->list[i].file, hash, NULL});
	}
	block_print(root, out);
	block_free(root);
}

struct origin *origin_take(struct block *root)
{
	static const char *const word[] = {ORIGIN_WORD, NULL};
	struct origin *origin = calloc(1, sizeof(*origin));

	for (struct block *at; origin && (at = block_find(root, word)); block_remove(root, at))
		if (at->count != 3 || add(origin, at->words[1], strtoull(at->words[2], NULL, 16))) {
			origin_free(origin);
			origin = NULL;
			break;
		}
	return origin;
}

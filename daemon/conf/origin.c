/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/origin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "block/files.h"
#include "block/tree.h"

#define ORIGIN_WORD "@origin"

struct source {
	char *file;
	uint64_t hash; /* 0: it says nothing, or is not there */
	bool is_expected;
	uint64_t expected; /* by a save that is under way */
};

struct origin {
	struct source *list; /* the main file first */
	size_t count;
	bool is_broken; /* it could not be read as a whole */
};

static int text_of(struct block *root, bool is_main, char **text)
{
	*text = !is_main && block_keep_tail(root) ? NULL : block_text(root, NULL);
	return *text ? 0 : -ENOMEM;
}

int origin_text(const char *file, bool is_main, char **text, struct error *error)
{
	struct block *root = NULL;
	int err = block_parse_file(file, &root, error);

	if (err)
		return err;
	if (text_of(root, is_main, text))
		err = error_set(error, -ENOMEM, "%s: out of memory", file);
	block_free(root);
	return err;
}

static uint64_t hash_text(const char *text)
{
	return text && *text ? hash_bytes(text, strlen(text)) : 0;
}

static int hash_of(const char *file, bool is_main, uint64_t *hash)
{
	struct error ignored;
	char *text = NULL;
	int err = origin_text(file, is_main, &text, &ignored);

	*hash = err ? 0 : hash_text(text);
	free(text);
	return err;
}

static struct source *find_source(const struct origin *origin, const char *file)
{
	for (size_t i = 0; i < origin->count; i++)
		if (!strcmp(origin->list[i].file, file))
			return &origin->list[i];
	return NULL;
}

static int add_source(struct origin *origin, const char *file, uint64_t hash)
{
	struct source *list;

	list = reallocarray(origin->list, origin->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	origin->list = list;
	list[origin->count] = (struct source){.file = strdup(file), .hash = hash};
	return list[origin->count].file ? (origin->count++, 0) : -ENOMEM;
}

static bool is_main(const struct origin *origin, const char *file)
{
	return origin->count && !strcmp(origin->list->file, file);
}

static int renew_source(struct origin *origin, const char *file)
{
	struct source *known = find_source(origin, file);
	uint64_t hash;

	hash_of(file, is_main(origin, file), &hash);
	if (!known)
		return hash ? add_source(origin, file, hash) : 0;
	known->hash = hash;
	return 0;
}

/* As it will be when it is read again. */
int origin_expect(struct origin *origin, const char *file, const char *text, struct error *error)
{
	struct source *known = find_source(origin, file);
	struct block *root = NULL;
	char *again = NULL;
	int err = block_parse(file, text, strlen(text), &root, error);

	if (err)
		return err;
	if (text_of(root, is_main(origin, file), &again)) {
		err = error_set(error, -ENOMEM, "%s: out of memory", file);
	} else {
		known->expected = hash_text(again);
		known->is_expected = true;
	}
	free(again);
	block_free(root);
	return err;
}

static void take_expected(struct source *known)
{
	known->hash = known->expected;
	known->is_expected = false;
}

void origin_accept(struct origin *origin)
{
	for (size_t i = 0; i < origin->count; i++)
		if (origin->list[i].is_expected)
			take_expected(&origin->list[i]);
}

void origin_cancel(struct origin *origin)
{
	for (size_t i = 0; i < origin->count; i++)
		origin->list[i].is_expected = false;
}

struct tally {
	size_t written, unwritten, edited;
};

/* One that was moved away says nothing, and nobody's words are lost by writing it. */
static void settle_source(const struct origin *origin, struct source *known, struct tally *tally)
{
	uint64_t hash;
	int err = hash_of(known->file, is_main(origin, known->file), &hash);

	if ((!err || err == -ENOENT) && hash == known->expected) {
		known->hash = hash;
		tally->written++;
	} else if (err == -ENOENT || (!err && hash == known->hash)) {
		tally->unwritten++;
	} else {
		tally->edited++;
	}
	known->is_expected = false;
}

/* Of one that was edited as well nobody knows any more whether it had been written: there may be half. */
bool origin_settle(struct origin *origin, bool *is_half)
{
	struct tally tally = {0};

	for (size_t i = 0; i < origin->count; i++)
		if (origin->list[i].is_expected)
			settle_source(origin, &origin->list[i], &tally);
	if (tally.written && !tally.unwritten && !tally.edited)
		*is_half = false;
	else if (tally.written || (tally.edited && tally.edited + tally.unwritten > 1))
		*is_half = true;
	return tally.written && !tally.unwritten && !tally.edited;
}

void origin_forget(struct origin *origin, const char *file)
{
	struct source *known = find_source(origin, file);

	if (known)
		known->hash = 0;
}

enum origin_look origin_look(const struct origin *origin, const char *file)
{
	const struct source *known = find_source(origin, file);
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
	const struct source *known = find_source(origin, file);

	return known && known->hash;
}

static bool has_all(const struct origin *origin, const struct origin *other)
{
	for (size_t i = 0; i < other->count; i++) {
		const struct source *same = find_source(origin, other->list[i].file);

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
		err = renew_source(origin, files[i]);
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

	if (origin && !add_source(origin, conf_path, 0) && !renew_source(origin, conf_path) &&
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

static void print_source(const struct source *source, struct block *root)
{
	char hash[20], expected[20];
	const char *const words[] = {ORIGIN_WORD, source->file, hash,
				     source->is_expected ? expected : NULL, NULL};

	snprintf(hash, sizeof(hash), "%016" PRIx64, source->hash);
	snprintf(expected, sizeof(expected), "%016" PRIx64, source->expected);
	block_append(root, false, words);
}

void origin_print(const struct origin *origin, FILE *out)
{
	struct block *root = NULL;
	struct error ignored;

	if (block_parse("", "", 0, &root, &ignored))
		return;
	for (size_t i = 0; i < origin->count; i++)
		print_source(&origin->list[i], root);
	block_print(root, out);
	block_free(root);
}

static int take_source(struct origin *origin, const struct block *at)
{
	struct source *source = at->count < 3 ? NULL : find_source(origin, at->words[1]);

	if (!source && (at->count < 3 || add_source(origin, at->words[1], 0)))
		return -ENOMEM;
	if (!source)
		source = &origin->list[origin->count - 1];
	source->hash = strtoull(at->words[2], NULL, 16);
	source->is_expected = at->count > 3;
	source->expected = source->is_expected ? strtoull(at->words[3], NULL, 16) : 0;
	return 0;
}

/* DANGER: the lbd before may have had another main file (-c): the first is to be this one's. */
struct origin *origin_take(struct block *root, const char *conf_path)
{
	static const char *const word[] = {ORIGIN_WORD, NULL};
	struct origin *origin = calloc(1, sizeof(*origin));

	if (origin && add_source(origin, conf_path, 0)) {
		origin_free(origin);
		return NULL;
	}
	for (struct block *at; origin && (at = block_find(root, word)); block_remove(root, at))
		if (take_source(origin, at)) {
			origin_free(origin);
			origin = NULL;
			break;
		}
	return origin;
}

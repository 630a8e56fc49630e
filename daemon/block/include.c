/* SPDX-License-Identifier: Apache-2.0 */
/* Directives `include`: the files that they name, in their place. */
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/place.h"
#include "block/tree.h"

enum { INCLUDE_DEPTH_MAX = 8, PATTERN_MAX = 4096 };

static int expand_includes(struct block *parent, unsigned depth, struct error *error);

/* The pattern as glob wants it, from the directory of the including file. */
static int full_pattern(const struct block *at, char *pattern, struct error *error)
{
	const char *slash = strrchr(at->file, '/');
	int directory = slash ? (int)(slash + 1 - at->file) : 0;

	if (at->count != 2 || at->has_body || !at->words[1][0])
		return block_error(at, error, -EINVAL,
				   "include wants one file name or pattern and then ;");
	if (at->words[1][0] == '/')
		directory = 0;
	if (snprintf(pattern, PATTERN_MAX, "%.*s%s", directory, at->file, at->words[1]) >=
	    PATTERN_MAX)
		return block_error(at, error, -ENAMETOOLONG,
				   "include has a pattern of more than %d bytes", PATTERN_MAX);
	return 0;
}

/* A file decides what root runs: it is nobody's to change but root's, or the including file's owner's. */
static int check_trust(const struct block *at, const char *path, struct error *error)
{
	char name[PLACE_USER_BYTES];
	uid_t includer = 0, changer;
	int code = block_file_changer(path, &changer, error);

	if (!code && !place_is_root(changer))
		code = block_file_changer(at->file, &includer, error);
	if (code || place_is_root(changer) || changer == includer)
		return code;
	return error_set(
		error, -EPERM,
		"%s: %s may change it, and so have any command run; chown it to root, in a "
		"directory of root's",
		path, place_user(changer, name));
}

int block_keep_tail(struct block *root)
{
	struct block *last = root->last;
	char *comment = NULL;

	if (root->tail && last &&
	    asprintf(&comment, "%s%s%s", last->comment ? last->comment : "",
		     last->comment ? "\n" : "", root->tail) < 0)
		return -ENOMEM;
	if (comment) {
		free(last->comment);
		last->comment = comment;
	}
	free(root->tail);
	root->tail = NULL;
	return 0;
}

/* Moves the file's directives to the end of list. */
static int add_included(const struct block *at, const char *path, struct block *list,
			unsigned depth, struct error *error)
{
	struct block *root = NULL;
	struct error inner;
	int code = check_trust(at, path, &inner);

	if (!code)
		code = block_parse_file(path, &root, &inner);
	/* A syntax error names its own place; what cannot be read is named where it is included. */
	if (code == -EINVAL)
		*error = inner;
	else if (code)
		block_error(at, error, code, "include %s", inner.text);
	if (!code && block_keep_tail(root))
		code = block_error(at, error, -ENOMEM, "include %s: out of memory", path);
	if (!code)
		code = expand_includes(root, depth + 1, error);
	while (!code && root->first) {
		struct block *child = root->first;

		root->first = child->next;
		block_adopt(list, child);
	}
	block_free(root);
	return code;
}

static int add_matches(struct block *at, struct block *list, unsigned depth, struct error *error)
{
	char pattern[PATTERN_MAX];
	glob_t found = {0};
	int code = full_pattern(at, pattern, error);

	if (code)
		return code;
	if (depth >= INCLUDE_DEPTH_MAX)
		return block_error(
			at, error, -ELOOP,
			"include %s nests more than %d deep; does a file include itself?",
			at->words[1], INCLUDE_DEPTH_MAX);
	code = glob(pattern, GLOB_ERR | GLOB_NOMAGIC, NULL, &found);
	if (code == GLOB_NOMATCH) {
		at->is_unmatched = true;
		return 0;
	}
	if (code)
		code = block_error(at, error, -EIO,
				   "include %s: its directory cannot be read; make it, or "
				   "remove the line",
				   pattern);
	for (size_t i = 0; !code && i < found.gl_pathc; i++)
		code = add_included(at, found.gl_pathv[i], list, depth, error);
	globfree(&found);
	return code;
}

static int expand_one(struct block *child, struct block *list, unsigned depth, struct error *error)
{
	int code;

	if (strcmp(child->words[0], "include") != 0) {
		code = expand_includes(child, depth, error);
		block_adopt(list, child);
		return code;
	}
	block_adopt(list, child);
	child->is_include = true;
	return add_matches(child, list, depth, error);
}

static int expand_includes(struct block *parent, unsigned depth, struct error *error)
{
	struct block list = {0};
	struct block *child = parent->first;
	int code = 0;

	while (child && !code) {
		struct block *next = child->next;

		code = expand_one(child, &list, depth, error);
		child = next;
	}
	/* After an error the rest stays as it is. */
	for (struct block *next; child; child = next) {
		next = child->next;
		block_adopt(&list, child);
	}
	parent->first = list.first;
	parent->last = list.last;
	return code;
}

int block_include(struct block *root, struct error *error)
{
	return expand_includes(root, 0, error);
}

void block_each_unmatched(const struct block *root,
			  void (*tell)(void *arg, const struct block *include), void *arg)
{
	for (const struct block *child = root->first; child; child = child->next) {
		if (child->is_unmatched)
			tell(arg, child);
		block_each_unmatched(child, tell, arg);
	}
}

static void tell_matches(const struct block *include, void (*tell)(void *arg, const char *path),
			 void *arg)
{
	char pattern[PATTERN_MAX];
	struct error ignored;
	glob_t found = {0};

	if (full_pattern(include, pattern, &ignored))
		return;
	if (!glob(pattern, GLOB_NOMAGIC, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			tell(arg, found.gl_pathv[i]);
	globfree(&found);
}

void block_each_included(const struct block *root, void (*tell)(void *arg, const char *path),
			 void *arg)
{
	for (const struct block *child = root->first; child; child = child->next) {
		if (child->is_include)
			tell_matches(child, tell, arg);
		block_each_included(child, tell, arg);
	}
}

enum block_inclusion block_includes(const struct block *include, const char *path)
{
	char pattern[PATTERN_MAX];
	struct error ignored;

	if (!include->is_include || full_pattern(include, pattern, &ignored))
		return BLOCK_NOT_INCLUDED;
	if (!strcmp(pattern, path))
		return BLOCK_BY_NAME;
	return fnmatch(pattern, path, FNM_PATHNAME | FNM_PERIOD) ? BLOCK_NOT_INCLUDED
								 : BLOCK_BY_PATTERN;
}

enum block_inclusion block_would_include(const struct block *root, const char *path)
{
	enum block_inclusion best = BLOCK_NOT_INCLUDED;

	for (const struct block *child = root->first; child; child = child->next) {
		const enum block_inclusion own = block_includes(child, path),
					   inner = block_would_include(child, path);

		best = own > best ? own : best;
		best = inner > best ? inner : best;
	}
	return best;
}

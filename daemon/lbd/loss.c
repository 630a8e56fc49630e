/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/loss.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block/files.h"

/* A disk that was full, a generator that failed, an `include` that matches nothing: all would be gone. */
static int check_all(const struct conf *from, const struct conf *to, const char *path,
		     struct error *error)
{
	bool no_service = from->service_count && !to->service_count;
	bool no_pool = from->pool_count && !to->pool_count;

	if (!no_service && !no_pool)
		return 0;
	return error_set(
		error, -EPERM,
		"%s: found no %s, where %zu %s now: a reload would remove all of them "
		"(does each `include` match a file?); if that is meant: `lbctl reload force`",
		path, no_service ? "service" : "pool",
		no_service ? from->service_count : from->pool_count,
		no_service ? "serve" : "are there");
}

/* What is looked at, and what it stands in. */
struct step {
	const struct block *block;
	const struct step *outer;
};

struct search {
	const struct block *include; /* matches no file, and may have matched one */
	const char *own, **read;     /* the main file, and the others that are read now */
	struct error *error;
};

static bool is_read(const struct search *search, const char *file)
{
	const char **at = search->read;

	if (!strcmp(file, search->own))
		return true;
	while (*at && strcmp(*at, file) != 0)
		at++;
	return *at;
}

static bool same_words(const struct block *a, const struct block *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->words[i], b->words[i]) != 0)
			return false;
	return true;
}

static const struct block *find_same(const struct block *parent, const struct block *wanted)
{
	const struct block *at = parent ? parent->first : NULL;

	while (at && (at->is_include || !same_words(at, wanted)))
		at = at->next;
	return at;
}

/* DANGER: other directives may hold a secret (`environment`, `command`, `hash_seed`): of those the name alone. */
static bool may_be_quoted(const char *directive)
{
	static const char *const open[] = {
		"allow", "attach",  "backend", "capabilities", "deny",
		"group", "listen",  "mode",    "owner",        "no_new_privileges",
		"pool",  "service", "static",  "user",         NULL};

	for (const char *const *at = open; *at; at++)
		if (!strcmp(directive, *at))
			return true;
	return false;
}

static void print_words(const struct block *block, FILE *out)
{
	fputs(block->words[0], out);
	for (size_t i = 1; i < block->count && may_be_quoted(block->words[0]); i++)
		fprintf(out, " %.60s", block->words[i]);
}

/* "`user www` of worker of pool web" */
static void describe_step(const struct step *step, char *text, size_t room)
{
	FILE *out = fmemopen(text, room, "w");

	*text = '\0';
	if (!out)
		return;
	fputc('`', out);
	print_words(step->block, out);
	fputc('`', out);
	for (step = step->outer; step; step = step->outer) {
		fputs(" of ", out);
		print_words(step->block, out);
	}
	fclose(out);
	text[room - 1] = '\0';
}

static int refuse_loss(const struct search *search, const struct step *lost)
{
	const struct block *include = search->include;
	char what[128];

	describe_step(lost, what, sizeof(what));
	return error_set(search->error, -EPERM,
			 "include %.80s (%.80s:%u) matches no file, and a reload would remove %s, "
			 "which %.80s said: put the file back, or take the line out; if that is "
			 "meant: `lbctl reload force`",
			 include->words[1], include->file, include->line, what, lost->block->file);
}

/*
 * What files that are not read any more have said in `from` must stand in `to`: by the same words, in a block of the
 * same words, whoever says it now.  to: NULL where the block has gone.
 */
static int check_block(const struct search *search, const struct block *from,
		       const struct block *to, const struct step *outer)
{
	int err = 0;

	for (const struct block *at = from->first; at && !err; at = at->next) {
		const struct block *same = find_same(to, at);
		const struct step step = {at, outer};

		if (!same && !at->is_include && !is_read(search, at->file))
			err = refuse_loss(search, &step);
		else
			err = check_block(search, at, same, &step);
	}
	return err;
}

/* An include that matches no file now, in the configuration that is in force. */
struct history {
	const struct block *include;
	bool was_there, brought_in;
};

/* What an include has brought in comes right after it; so does, where its own file ends, what others have. */
static bool brings_next(const struct block *include)
{
	return include->next && block_includes(include, include->next->file) != BLOCK_NOT_INCLUDED;
}

static void look_back(struct history *history, const struct block *from)
{
	for (const struct block *at = from->first; at; at = at->next) {
		look_back(history, at);
		if (!at->is_include || strcmp(at->file, history->include->file) != 0 ||
		    !same_words(at, history->include))
			continue;
		history->was_there = true;
		history->brought_in |= brings_next(at);
	}
}

struct unmatched {
	const struct block *from, *first;
};

/* One that matched no file before, either, holds nothing back. */
static void take_first(void *arg, const struct block *include)
{
	struct unmatched *unmatched = arg;
	struct history history = {.include = include};

	if (unmatched->first)
		return;
	look_back(&history, unmatched->from);
	if (history.brought_in || !history.was_there)
		unmatched->first = include;
}

static int check_unmatched(const struct conf *from, const struct conf *to, struct error *error)
{
	struct unmatched unmatched = {.from = from->root};
	struct search search = {.own = to->root->file, .error = error};
	int err;

	block_each_unmatched(to->root, take_first, &unmatched);
	if (!unmatched.first)
		return 0;
	search.include = unmatched.first;
	search.read = block_list_files(to->root);
	if (!search.read)
		return error_set(error, -ENOMEM, "out of memory");
	err = check_block(&search, from->root, to->root, NULL);
	free(search.read);
	return err;
}

int loss_check(const struct conf *from, const struct conf *to, const char *path,
	       struct error *error)
{
	int err = check_all(from, to, path, error);

	return err ? err : check_unmatched(from, to, error);
}

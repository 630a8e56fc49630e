/* SPDX-License-Identifier: Apache-2.0 */
#include "loss.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"
#include "block_files.h"

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

static bool has_name(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name) != 0)
		names++;
	return *names;
}

/* 1: a file that said something is not read any more; 0: none; -ENOMEM. */
static int has_lost_file(const struct conf *from, const struct conf *to)
{
	const char **was = block_list_files(from->root), **now = block_list_files(to->root);
	int lost = was && now ? 0 : -ENOMEM;

	for (size_t i = 0; !lost && was[i]; i++)
		lost = !has_name(now, was[i]);
	free(was);
	free(now);
	return lost;
}

static void take_first(void *arg, const struct block *include)
{
	const struct block **first = arg;

	if (!*first)
		*first = include;
}

/* NULL: each `include` below it matches a file. */
static const struct block *find_unmatched(const struct block *block)
{
	const struct block *first = NULL;

	block_each_unmatched(block, take_first, &first);
	return first;
}

static int refuse(const struct block *include, const char *what, const char *name,
		  struct error *error)
{
	return error_set(error, -EPERM,
			 "include %.120s (%.120s:%u) matches no file, and a reload would remove "
			 "%s%s: put the file back, or take the line out; if that is meant: "
			 "`lbctl reload force`",
			 include->words[1], include->file, include->line, what, name);
}

static bool has_backend(const struct conf_pool *pool, const struct lb_endpoint *endpoint)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (!memcmp(&pool->backends[i].endpoint, endpoint, sizeof(*endpoint)))
			return true;
	return false;
}

static int check_backends(const struct conf_pool *was, const struct conf_pool *now,
			  struct error *error)
{
	const struct block *include = find_unmatched(now->at);
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; include && i < was->backend_count; i++)
		if (!has_backend(now, &was->backends[i].endpoint))
			return refuse(include, "backend ",
				      addr_format_endpoint(&was->backends[i].endpoint, text),
				      error);
	return 0;
}

static int check_service(const struct conf_service *was, const struct conf_service *now,
			 struct error *error)
{
	const struct block *include = find_unmatched(now->at);

	if (!include)
		return 0;
	if (now->listen_count < was->listen_count)
		return refuse(include, "a listen of service ", now->name, error);
	if (now->acl_count < was->acl_count || (was->default_deny && !now->default_deny))
		return refuse(include, "an access rule of service ", now->name, error);
	return 0;
}

static int check_unmatched(const struct conf *from, const struct conf *to, struct error *error)
{
	const struct block *include = find_unmatched(to->root);
	int err = 0, lost = include ? has_lost_file(from, to) : 0;

	/* What a verb added, or an edit of a file that is still read took out, goes as it would without an include. */
	if (lost <= 0)
		return lost ? error_set(error, lost, "out of memory") : 0;
	for (size_t i = 0; !err && i < from->service_count; i++) {
		const struct conf_service *was = &from->services[i];
		const struct conf_service *now = conf_find_service(to, was->name);

		err = now ? check_service(was, now, error)
			  : refuse(include, "service ", was->name, error);
	}
	for (size_t i = 0; !err && i < from->pool_count; i++) {
		const struct conf_pool *was = &from->pools[i];
		const struct conf_pool *now = conf_find_pool(to, was->name);

		err = now ? check_backends(was, now, error)
			  : refuse(include, "pool ", was->name, error);
	}
	return err;
}

int loss_check(const struct conf *from, const struct conf *to, const char *path,
	       struct error *error)
{
	int err = check_all(from, to, path, error);

	return err ? err : check_unmatched(from, to, error);
}

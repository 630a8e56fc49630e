/* SPDX-License-Identifier: Apache-2.0 */
/* A block `static NAME { }`: the pool, the worker and the service that it stands for. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "block/block.h"
#include "conf/private.h"

const char *conf_static_program = "lbstatic";

/*
 * Workers of a `static` that names no ports are given some below the ephemeral ones, by its name, so
 * that they stay the same when others come and go: CONF_STATIC_PLACES of 64 ports from 20000 on.
 */
enum { PORTS_FIRST = 20000, PORTS_PER_PLACE = 64 };

/* The blocks that a `static` stands for, and lbstatic's command line. */
struct expansion {
	struct block *pool, *worker, *service;
	FILE *command;
	bool root, own;
	const char *address; /* what the workers listen on; NULL: nothing is said */
};

#define PATH_WORD(n) .offset = (n)

/*
 * What lbstatic takes as --NAME; the rest of its options are lbd's to set.  PATH_WORD(n): word n is a
 * path.
 */
static const struct conf_directive options[] = {
	{.name = "root", .usage = "root DIR;", .min = 1, .max = 1, PATH_WORD(1)},
	{.name = "index", .usage = "index FILE...; or index off;", .min = 1, .max = 8},
	{.name = "listing", .usage = "listing on|off;", .min = 1, .max = 1},
	{.name = "header", .usage = "header PATTERN \"Name: value\";", .min = 2, .max = 2},
	{.name = "header_everywhere",
	 .usage = "header_everywhere \"Name: value\";",
	 .min = 1,
	 .max = 1},
	{.name = "expires", .usage = "expires PATTERN TIME|off;", .min = 2, .max = 2},
	{.name = "alias", .usage = "alias PATTERN DIR;", .min = 2, .max = 2, PATH_WORD(2)},
	{.name = "try_files", .usage = "try_files PATTERN FILE... [=404];", .min = 2, .max = 16},
	{.name = "fallback", .usage = "fallback PATTERN /PAGE;", .min = 2, .max = 2},
	{.name = "error_page", .usage = "error_page STATUS /PAGE;", .min = 2, .max = 2},
	{.name = "allow", .usage = "allow PREFIX|all [PATTERN];", .min = 1, .max = 2},
	{.name = "deny", .usage = "deny PREFIX|all [PATTERN];", .min = 1, .max = 2},
	{.name = "auth", .usage = "auth PATTERN FILE [REALM];", .min = 2, .max = 3, PATH_WORD(2)},
	{.name = "precompressed", .usage = "precompressed on|off;", .min = 1, .max = 1},
	{.name = "symlinks", .usage = "symlinks on|off;", .min = 1, .max = 1},
	{.name = "dotfiles", .usage = "dotfiles on|off;", .min = 1, .max = 1},
	{.name = "mime_types", .usage = "mime_types FILE;", .min = 1, .max = 1, PATH_WORD(1)},
	{.name = "charset", .usage = "charset NAME|off;", .min = 1, .max = 1},
	{.name = "access_log",
	 .usage = "access_log FILE|stderr|off [common|combined|json];",
	 .min = 1,
	 .max = 2,
	 PATH_WORD(1)},
	{.name = "counters", .usage = "counters FILE;", .min = 1, .max = 1, PATH_WORD(1)},
	{.name = "sandbox", .usage = "sandbox on|off;", .min = 1, .max = 1},
	{.name = "header_timeout", .usage = "header_timeout TIME;", .min = 1, .max = 1},
	{.name = "idle_timeout", .usage = "idle_timeout TIME;", .min = 1, .max = 1},
	{.name = "send_timeout", .usage = "send_timeout TIME;", .min = 1, .max = 1},
	{.name = "linger_timeout", .usage = "linger_timeout TIME;", .min = 1, .max = 1},
	{.name = "request_line", .usage = "request_line SIZE;", .min = 1, .max = 1},
	{.name = "request_head", .usage = "request_head SIZE;", .min = 1, .max = 1},
	{.name = "request_content", .usage = "request_content SIZE;", .min = 1, .max = 1},
	{.name = "connections", .usage = "connections N;", .min = 1, .max = 1},
	{.name = "requests", .usage = "requests N;", .min = 1, .max = 1},
	{.name = "ranges", .usage = "ranges N;", .min = 1, .max = 1},
	{.name = "cache_files", .usage = "cache_files N;", .min = 1, .max = 1},
	{.name = "cache_size", .usage = "cache_size SIZE;", .min = 1, .max = 1},
	{.name = "cache_valid", .usage = "cache_valid TIME;", .min = 1, .max = 1},
	{.name = "memory_file", .usage = "memory_file SIZE;", .min = 1, .max = 1},
	{.name = "send_chunk", .usage = "send_chunk SIZE;", .min = 1, .max = 1},
	{.name = NULL},
};

/*
 * A word as conf_split() and conf_expand() read it back: in single quotes, '\'' for a quote inside.
 * $uri is lbstatic's own variable.
 */
static void put_word(FILE *out, const char *word)
{
	fputs(" '", out);
	for (const char *start = word; *word; word++) {
		if (strncmp(word, "$uri", 4) == 0 && (word == start || word[-1] != '$'))
			fputc('$', out);
		if (*word == '\'')
			fputs("'\\''", out);
		else
			fputc(*word, out);
	}
	fputc('\'', out);
}

/* A word that is a path, or would be one were it not a name that lbstatic knows. */
static bool is_path(const struct conf_directive *row, size_t word, const char *text)
{
	return word == row->offset && word > 0 && strcmp(text, "off") != 0 &&
	       strcmp(text, "stderr") != 0;
}

static int add_path(struct expansion *expansion, const struct block *at, const char *text,
		    struct error *error)
{
	char *path = conf_path(at, text);

	if (!path)
		return conf_no_memory(at, error);
	put_word(expansion->command, path);
	free(path);
	return 0;
}

static int add_option(struct expansion *expansion, const struct conf_directive *row,
		      const struct block *at, struct error *error)
{
	int code = conf_check_shape(at, row, error);

	fprintf(expansion->command, " --%s", at->words[0]);
	for (size_t i = 1; i < at->count && !code; i++) {
		if (at->words[i][0] == '-')
			return block_error(at, error, -EINVAL,
					   "%s: found \"%.80s\"; a word that begins with - is not "
					   "allowed here",
					   at->words[0], at->words[i]);
		if (is_path(row, i, at->words[i]))
			code = add_path(expansion, at, at->words[i], error);
		else
			put_word(expansion->command, at->words[i]);
	}
	expansion->root |= strcmp(at->words[0], "root") == 0;
	return code;
}

static int move_to(struct block *parent, const struct block *at, struct error *error)
{
	struct block *copy = block_clone(at);

	if (!copy)
		return conf_no_memory(at, error);
	block_adopt(parent, copy);
	return 0;
}

/* `listen own|inherit` is the worker's; any other is the service's. */
static int take_listen(struct expansion *expansion, const struct block *at, struct error *error)
{
	bool inherit = at->count == 2 && strcmp(at->words[1], "inherit") == 0;
	bool own = at->count == 2 && strcmp(at->words[1], "own") == 0;

	expansion->own |= own;
	return move_to(inherit || own ? expansion->worker : expansion->service, at, error);
}

static int refuse_directive(const struct block *at, struct error *error)
{
	return block_error(at, error, -EINVAL,
			   "found \"%.60s\" in static, which is unknown there; allowed: listen, "
			   "root, header, expires, index and what else lbstatic --help lists, and "
			   "what pool { } and worker { } take",
			   at->words[0]);
}

/* Gives one directive to whom it concerns. */
static int take_directive(struct expansion *expansion, const struct block *at, struct error *error)
{
	static const struct conf_directive *const tables[] = {options, conf_worker_table,
							      conf_pool_table, conf_service_table,
							      NULL};
	const char *name = at->words[0];
	const struct conf_directive *row = conf_find_row(options, name);
	bool rule = strcmp(name, "allow") == 0 || strcmp(name, "deny") == 0;
	int code = conf_check_lines(at, tables, error);

	if (code)
		return code;
	if (strcmp(name, "listen") == 0)
		return take_listen(expansion, at, error);
	if (rule && at->count == 2)
		return move_to(expansion->service, at, error);
	if (row)
		return add_option(expansion, row, at, error);
	if (strcmp(name, "command") == 0 || strcmp(name, "worker") == 0 ||
	    strcmp(name, "backend") == 0)
		return block_error(at, error, -EINVAL,
				   "%s: found in static, whose workers run lbstatic; write a pool "
				   "and a service for other programs",
				   name);
	if (strcmp(name, "address") == 0 && at->count == 2)
		expansion->address = at->words[1];
	if (conf_find_row(conf_worker_table, name))
		return move_to(expansion->worker, at, error);
	if (conf_find_row(conf_pool_table, name))
		return move_to(expansion->pool, at, error);
	return refuse_directive(at, error);
}

/* A directive of ours, at the place of the `static`. */
static struct block *add_directive(struct block *parent, const struct block *at, bool has_body,
				   const char *name, const char *value)
{
	const char *const words[] = {name, value, NULL};
	struct block *block = block_new(at->file, at->line, at->column);

	if (!block || block_set_words(block, words)) {
		block_free(block);
		return NULL;
	}
	block->has_body = has_body;
	block_adopt(parent, block);
	return block;
}

/* Names may have the same place: the next one then, of which the first of them in the file knows nothing. */
static unsigned take_place(bool taken[CONF_STATIC_PLACES], const char *name)
{
	unsigned wanted = (unsigned)(hash_bytes(name, strlen(name)) % CONF_STATIC_PLACES);

	for (unsigned i = 0; i < CONF_STATIC_PLACES; i++) {
		unsigned place = (wanted + i) % CONF_STATIC_PLACES;

		if (taken[place])
			continue;
		taken[place] = true;
		return place;
	}
	return CONF_STATIC_PLACES;
}

static int add_ports(struct block *worker, const struct block *at, bool taken[CONF_STATIC_PLACES],
		     struct error *error)
{
	static const char *const ports[] = {"ports", NULL};
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned place, first;
	char range[32];

	if (block_find(worker, ports))
		return 0;
	place = take_place(taken, at->words[1]);
	if (place == CONF_STATIC_PLACES)
		return block_error(at, error, -EINVAL,
				   "static %s: found %d others without `ports` before it; write "
				   "ports FIRST-LAST; in it",
				   at->words[1], CONF_STATIC_PLACES);
	if (cores > PORTS_PER_PLACE)
		cores = PORTS_PER_PLACE;
	first = PORTS_FIRST + place * PORTS_PER_PLACE;
	snprintf(range, sizeof(range), "%u-%u", first, first + (unsigned)cores - 1);
	return add_directive(worker, at, false, "ports", range) ? 0 : conf_no_memory(at, error);
}

static int begin_expansion(struct expansion *expansion, const struct block *at, struct block *to,
			   struct error *error)
{
	const char *name = at->words[1];

	expansion->pool = add_directive(to, at, true, "pool", name);
	expansion->service = add_directive(to, at, true, "service", name);
	if (!expansion->pool || !expansion->service)
		return conf_no_memory(at, error);
	expansion->worker = add_directive(expansion->pool, at, true, "worker", NULL);
	if (!expansion->worker || !add_directive(expansion->service, at, false, "pool", name))
		return conf_no_memory(at, error);
	return 0;
}

static void put_listen(const struct expansion *expansion)
{
	const char *address = expansion->address ? expansion->address : "127.0.0.1";

	fprintf(expansion->command,
		strchr(address, ':') ? " --listen '[%s]:$port'" : " --listen '%s:$port'", address);
}

static int take_all(struct expansion *expansion, const struct block *at, struct error *error)
{
	int code = 0;

	put_word(expansion->command, conf_static_program);
	for (const struct block *child = at->first; child && !code; child = child->next)
		if (!child->is_include)
			code = take_directive(expansion, child, error);
	if (!code && !expansion->root)
		code = block_error(at, error, -EINVAL,
				   "static %s: found no root; write root DIR; for what it is to "
				   "serve",
				   at->words[1]);
	if (!code && expansion->own)
		put_listen(expansion);
	return code;
}

/*
 * lbd opens the listeners if nothing else is said: connections that wait outlive a crash, and clients of
 * either family can be served.
 */
static int add_inherit(const struct expansion *expansion, const struct block *at)
{
	static const char *const listen[] = {"listen", NULL}, *const dual_stack[] = {"dual_stack",
										     NULL};
	struct block *worker = expansion->worker;

	if (expansion->own)
		return 0;
	if (!block_find(worker, listen) && !add_directive(worker, at, false, "listen", "inherit"))
		return -ENOMEM;
	if (expansion->address || block_find(worker, dual_stack))
		return 0;
	return add_directive(worker, at, false, "dual_stack", "on") ? 0 : -ENOMEM;
}

int conf_static_expand(const struct block *at, struct block *to, bool taken[CONF_STATIC_PLACES],
		       struct error *error)
{
	struct expansion expansion = {0};
	char *command = NULL;
	size_t length;
	int code = begin_expansion(&expansion, at, to, error);

	if (code)
		return code;
	expansion.command = open_memstream(&command, &length);
	if (!expansion.command)
		return conf_no_memory(at, error);
	code = take_all(&expansion, at, error);
	if (fclose(expansion.command) && !code)
		code = conf_no_memory(at, error);
	if (!code)
		code = add_ports(expansion.worker, at, taken, error);
	if (!code && (!add_directive(expansion.worker, at, false, "command", command + 1) ||
		      add_inherit(&expansion, at)))
		code = conf_no_memory(at, error);
	free(command);
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/edit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static int out_of_memory(struct error *error)
{
	return error_set(error, -ENOMEM, "out of memory");
}

/* Takes the comment over, with its words before those that are there. */
static int put_before(char **to, char **comment)
{
	char *both;

	if (!*to) {
		*to = *comment;
	} else {
		if (asprintf(&both, "%s\n%s", *comment, *to) < 0)
			return -ENOMEM;
		free(*to);
		free(*comment);
		*to = both;
	}
	*comment = NULL;
	return 0;
}

/*
 * Removes it.  What is written at the head of a file is said of all of it: it goes to what comes first then, or to the
 * end of the main file.
 */
static int take_out(struct block *root, struct block *block, struct error *error)
{
	struct block *at = root->first;
	int err = 0;

	while (at != block && (!at->file || !block->file || strcmp(at->file, block->file) != 0))
		at = at->next;
	if (at == block && block->comment && block->line) {
		for (at = block->next; at && (!at->file || strcmp(at->file, block->file) != 0);)
			at = at->next;
		if (at)
			err = put_before(&at->comment, &block->comment);
		else if (root->file && !strcmp(root->file, block->file))
			err = put_before(&root->tail, &block->comment);
	}
	if (!err)
		block_remove(root, block);
	return err ? out_of_memory(error) : 0;
}

int edit_attach(struct block *root, const char *interface, const char *mode, struct error *error)
{
	struct block *known = block_find(root, WORDS("attach", interface));

	if (known)
		return block_set_words(known, WORDS("attach", interface, mode))
			       ? out_of_memory(error)
			       : 0;
	return block_append(root, false, WORDS("attach", interface, mode)) ? 0
									   : out_of_memory(error);
}

int edit_detach(struct block *root, const char *interface, struct error *error)
{
	struct block *known = block_find(root, WORDS("attach", interface));

	if (!known)
		return error_set(error, -ENOENT,
				 "%s: not attached (`lbctl status` lists the interfaces that are)",
				 interface);
	return take_out(root, known, error);
}

static struct block *pool_block(struct block *root, const char *pool)
{
	struct block *found = block_find(root, WORDS("pool", pool));

	return found ? found : block_find(root, WORDS("static", pool));
}

/* The same address may be written in more than one way. */
static struct block *backend_block(struct block *pool, const char *address)
{
	struct lb_endpoint wanted, here;
	struct error ignored;

	if (addr_parse_endpoint(address, &wanted, &ignored))
		return NULL;
	for (struct block *at = pool->first; at; at = at->next)
		if (at->count >= 2 && !strcmp(at->words[0], "backend") &&
		    !addr_parse_endpoint(at->words[1], &here, &ignored) &&
		    !memcmp(&wanted, &here, sizeof(wanted)))
			return at;
	return NULL;
}

int edit_backend_add(struct block *root, const char *pool, const char *address, const char *weight,
		     const char *max_connections, const char *owner, struct error *error)
{
	struct block *block = pool_block(root, pool);
	const char *words[10] = {"backend", address};
	size_t count = 2;

	if (!block)
		block = block_append(root, true, WORDS("pool", pool));
	if (!block)
		return out_of_memory(error);
	if (backend_block(block, address))
		return error_set(error, -EEXIST, "%s: already in pool %s", address, pool);
	if (weight) {
		words[count++] = "weight";
		words[count++] = weight;
	}
	if (max_connections) {
		words[count++] = "max_connections";
		words[count++] = max_connections;
	}
	if (owner) {
		words[count++] = "owner";
		words[count++] = owner;
	}
	return block_append(block, false, words) ? 0 : out_of_memory(error);
}

static int of_static(const char *name, struct error *error)
{
	return error_set(error, -EBUSY,
			 "%s: is of `static %s`, and goes with that: take it out of the "
			 "configuration, then `lbctl reload`",
			 name, name);
}

static int no_such_pool(const char *pool, struct error *error)
{
	return error_set(error, -ENOENT, "%s: no such pool (`lbctl pool` lists them)", pool);
}

/* One that says no pool has that of its own name. */
static bool names_pool(const struct block *service, const char *pool)
{
	if (block_find(service, WORDS("pool")))
		return block_find(service, WORDS("pool", pool));
	return !strcmp(service->words[1], pool);
}

/* A service that is written and names the pool, or NULL. */
static const struct block *service_of(const struct block *root, const char *pool)
{
	for (const struct block *at = root->first; at; at = at->next)
		if (at->count >= 2 && !strcmp(at->words[0], "service") && names_pool(at, pool))
			return at;
	return NULL;
}

/*
 * Without its last backend it is as if it had not been written: but for what else stands in it, its comments, and a
 * service that names it.
 */
static bool is_idle(const struct block *root, const struct block *pool)
{
	return !pool->first && !pool->comment && !pool->tail && !strcmp(pool->words[0], "pool") &&
	       !service_of(root, pool->words[1]);
}

int edit_backend_remove(struct block *root, const char *pool, const char *address,
			struct error *error)
{
	struct block *block = pool_block(root, pool);
	struct block *backend = block ? backend_block(block, address) : NULL;

	if (!block)
		return no_such_pool(pool, error);
	if (!backend)
		return error_set(error, -ENOENT,
				 "%s: not a backend that was added to pool %s (`lbctl pool` lists "
				 "them; workers go by the configuration's `ports`)",
				 address, pool);
	block_remove(block, backend);
	return is_idle(root, block) ? take_out(root, block, error) : 0;
}

int edit_backend_weight(struct block *root, const char *pool, const char *address,
			const char *weight, struct error *error)
{
	struct block *block = pool_block(root, pool);
	struct block *backend = block ? backend_block(block, address) : NULL;
	const char *words[16];
	size_t count = 0;

	if (!backend || backend->count > 12)
		return error_set(error, -ENOENT, "%s: not a backend of its own in pool %s", address,
				 pool);
	for (size_t i = 0; i < backend->count; i++) {
		if (i < 2 || strcmp(backend->words[i], "weight"))
			words[count++] = backend->words[i];
		else
			i++;
	}
	words[count++] = "weight";
	words[count++] = weight;
	words[count] = NULL;
	return block_set_words(backend, words) ? out_of_memory(error) : 0;
}

int edit_backend_drain(struct block *root, const char *pool, const char *address, int drain)
{
	struct block *block = pool_block(root, pool);
	struct block *backend = block ? backend_block(block, address) : NULL;
	const char *words[16];
	size_t count = 0;

	if (!backend || backend->count > 12)
		return 0;
	for (size_t i = 0; i < backend->count; i++)
		if (strcmp(backend->words[i], "drain"))
			words[count++] = backend->words[i];
	if (drain)
		words[count++] = "drain";
	words[count] = NULL;
	if (count == backend->count)
		return 0;
	return block_set_words(backend, words);
}

int edit_pool_remove(struct block *root, const char *pool, bool force, struct error *error)
{
	struct block *block = block_find(root, WORDS("pool", pool));
	const struct block *service = service_of(root, pool);

	if (!block)
		return block_find(root, WORDS("static", pool)) ? of_static(pool, error)
							       : no_such_pool(pool, error);
	if (service)
		return error_set(error, -EBUSY,
				 "pool %s: in use by service %s: remove that first "
				 "(`lbctl service remove %s`)",
				 pool, service->words[1], service->words[1]);
	if (!force && block_find(block, WORDS("worker")))
		return error_set(error, -EBUSY,
				 "pool %s: has workers, which would be stopped: if that is meant: "
				 "`lbctl pool remove %s force`",
				 pool, pool);
	return take_out(root, block, error);
}

int edit_service_add(struct block *root, const char *name, const char *address, const char *pool,
		     struct error *error)
{
	struct block *block = block_find(root, WORDS("service", name));

	if (!block) {
		block = block_append(root, true, WORDS("service", name));
		if (!block || !block_append(block, false, WORDS("pool", pool ? pool : "default")))
			return out_of_memory(error);
	} else if (pool && !names_pool(block, pool)) {
		return error_set(error, -EEXIST,
				 "service %s: already there with another pool; remove it first "
				 "(`lbctl service remove %s`)",
				 name, name);
	}
	return block_append(block, false, WORDS("listen", address)) ? 0 : out_of_memory(error);
}

/* The service of pool default that no file has: conf/resolve.c adds it. */
static bool is_implied(const struct block *root, const char *name)
{
	const struct block *pool = block_find(root, WORDS("pool", name));

	return !strcmp(name, "default") && pool && !service_of(root, name) &&
	       (block_find(pool, WORDS("backend")) || block_find(pool, WORDS("worker")));
}

/* One that is there, and in no file by its name. */
static int no_block_of_service(const struct block *root, const char *name, struct error *error)
{
	if (block_find(root, WORDS("static", name)))
		return of_static(name, error);
	if (is_implied(root, name))
		return error_set(error, -EBUSY,
				 "%s: is there for the backends of pool %s alone, and goes with "
				 "the last of them (`lbctl pool remove %s` removes all)",
				 name, name, name);
	return error_set(error, -ENOENT, "%s: no such service (`lbctl service` lists them)", name);
}

int edit_service_remove(struct block *root, const char *name, struct error *error)
{
	struct block *block = block_find(root, WORDS("service", name));

	if (!block)
		return no_block_of_service(root, name, error);
	return take_out(root, block, error);
}

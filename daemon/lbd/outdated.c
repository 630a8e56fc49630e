/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/outdated.h"

#include <string.h>

#include "base/log.h"
#include "reconcile/difference.h"
#include "remember/remember.h"
#include "roll/roll.h"
#include "worker/worker.h"

/*
 * What cannot be read counts as it was: a roll would end at the first worker, which could not be started.
 * The line holds nothing of what the file says.
 */
static void look_at_files(const struct pool *pool)
{
	struct error error = {0};

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i]->worker)
			worker_look_at_files(pool->backends[i]->worker, &error);
	remember_later(pool->model);
	if (*error.text)
		log_warning("pool %s: %s; its workers run on with what was there before",
			    pool->name, error.text);
}

/* Not where the next configuration starts other processes anyway, perhaps from other files. */
void outdated_look(const struct lbd *lbd, const struct conf *to)
{
	for (size_t i = 0; i < lbd->model.pool_count; i++) {
		const struct pool *pool = lbd->model.pools[i];
		const struct conf_pool *next = conf_find_pool(to, pool->name);

		if (next && !difference_restarts(pool->conf, next))
			look_at_files(pool);
	}
}

static void print_old(const struct backend *backend, FILE *out)
{
	char **files = backend->pool->conf->worker->environment_files;

	if (!worker_has_old_files(backend->worker))
		fprintf(out, "worker %s runs with old settings: it is rolled\n", backend->name);
	else if (files[1])
		fprintf(out, "worker %s: one of its environment files has changed: it is rolled\n",
			backend->name);
	else
		fprintf(out, "worker %s: environment_file %s has changed: it is rolled\n",
			backend->name, *files);
}

/*
 * Workers whose process runs with other settings than are in force: a roll to these ended half-way, an
 * environment file has changed, or lbd was away when the configuration did.  Where the settings change now,
 * that line says it already.
 */
void outdated_print(const struct lbd *lbd, const struct conf *to, FILE *out)
{
	for (size_t i = 0; i < lbd->model.pool_count; i++) {
		const struct pool *pool = lbd->model.pools[i];
		const struct conf_pool *next = conf_find_pool(to, pool->name);

		if (!next || difference_restarts(pool->conf, next))
			continue;
		for (size_t j = 0; j < pool->count; j++)
			if (worker_is_outdated(pool->backends[j]->worker))
				print_old(pool->backends[j], out);
			else if (roll_is_mended(pool->backends[j]))
				fprintf(out,
					"worker %s has failed with old settings: it is started\n",
					pool->backends[j]->name);
	}
}

void outdated_roll(struct lbd *lbd)
{
	outdated_look(lbd, lbd->model.conf);
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_outdated(lbd->model.pools[i]);
}

void outdated_roll_begun(struct lbd *lbd)
{
	char *rest = lbd->running.rolls;

	for (char *name; (name = strsep(&rest, " "));) {
		struct pool *pool = pool_find(&lbd->model, name);

		if (!pool)
			continue;
		look_at_files(pool);
		roll_outdated(pool);
	}
}

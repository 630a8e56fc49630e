/* SPDX-License-Identifier: Apache-2.0 */
/* A block `pool NAME { }`. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "conf/accounts.h"
#include "conf/private.h"

#define AT(field) .offset = offsetof(struct pool_draft, field)
#define TIME      "such as 500ms, 10s, 5m, 2h or 1d"

enum { MOST_MS = 0x7fffffff };

/* A backend's own weight and limit are filled in at the end where it names none. */
struct pool_draft {
	struct conf_pool pool;
	uint32_t scheduler, weight, max_connections;
	const struct block *health;
	const char *maker; /* of the backends that name none; NULL: anybody */
	uid_t maker_uid;
};
static const uint32_t unset = UINT32_MAX;

/* Indices are values of enum lb_scheduler. */
static const char *const schedulers[] = {[LB_LEAST_LOAD] = "least_load",   [LB_MAGLEV] = "maglev",
					 [LB_ROUND_ROBIN] = "round_robin", [LB_RANDOM] = "random",
					 [LB_SOURCE_HASH] = "source_hash", [LB_SCHEDULERS] = NULL};

const char *conf_scheduler_name(enum lb_scheduler scheduler)
{
	return scheduler < LB_SCHEDULERS ? schedulers[scheduler] : "unknown";
}

static int add_backend(struct conf_pool *pool, const struct block *at,
		       struct conf_backend **backend, struct error *error)
{
	if (pool->backend_count == LB_MAX_BACKENDS)
		return block_error(
			at, error, -EINVAL,
			"pool: found more than %d backends; up to that many are allowed, "
			"in all pools together",
			LB_MAX_BACKENDS);
	*backend = conf_grow((void **)&pool->backends, pool->backend_count, sizeof(**backend));
	if (!*backend)
		return conf_no_memory(at, error);
	pool->backend_count++;
	(*backend)->at = at;
	(*backend)->weight = unset;
	(*backend)->max_connections = unset;
	return 0;
}

/* One word of a backend, and the one after it where it has a value: how many words, or -EINVAL. */
static int read_backend_option(char **words, struct conf_backend *backend)
{
	uint64_t value;

	if (strcmp(words[0], "drain") == 0) {
		backend->drain = true;
		return 1;
	}
	if (!words[1])
		return -EINVAL;
	if (strcmp(words[0], "weight") == 0 &&
	    conf_parse_number(words[1], CONF_WEIGHT_MAX, &value) == 0 && value > 0)
		backend->weight = (unsigned)value;
	else if (strcmp(words[0], "max_connections") == 0 &&
		 conf_parse_number(words[1], unset - 1, &value) == 0)
		backend->max_connections = (uint32_t)value;
	else if (strcmp(words[0], "owner") == 0 && !conf_accept_user(words[1], &backend->maker_uid))
		backend->maker = words[1];
	else
		return -EINVAL;
	return 2;
}

static int set_backend(void *target, const struct conf_directive *row, const struct block *at,
		       struct error *error)
{
	struct pool_draft *draft = target;
	struct conf_backend *backend;
	struct error inner;

	if (add_backend(&draft->pool, at, &backend, error))
		return -EINVAL;
	if (addr_parse_endpoint(at->words[1], &backend->endpoint, &inner))
		return block_error(at, error, -EINVAL, "%s: %s", row->name, inner.text);
	for (size_t i = 2; i < at->count;) {
		int words = read_backend_option(at->words + i, backend);

		if (words < 0)
			return conf_refuse(at, row, at->words[i + (i + 1 < at->count)], error);
		i += (size_t)words;
	}
	return conf_options_once(at, "drain", error);
}

static int set_maker(void *target, const struct conf_directive *row, const struct block *at,
		     struct error *error)
{
	struct pool_draft *draft = target;

	draft->maker = at->words[1];
	if (conf_accept_user(draft->maker, &draft->maker_uid))
		return conf_refuse(at, row, draft->maker, error);
	return 0;
}

/* One backend for each port of the worker block. */
static int add_workers(struct conf_pool *pool, const struct block *ports, struct error *error)
{
	const struct conf_worker *worker = pool->worker;

	for (unsigned i = 0; i < worker->count; i++) {
		struct conf_backend *backend;

		if (add_backend(pool, ports, &backend, error))
			return -EINVAL;
		backend->endpoint.addr = worker->addr;
		backend->endpoint.port = htons((uint16_t)(worker->first_port + i));
		backend->endpoint.protocol = IPPROTO_TCP;
		backend->supervised = true;
		backend->index = i;
	}
	return 0;
}

static int set_worker(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	struct pool_draft *draft = target;
	const struct block *ports;
	int code = conf_worker_build(at, &draft->pool.worker, &ports, error);

	(void)row;
	return code ? code : add_workers(&draft->pool, ports, error);
}

static int set_health(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	struct pool_draft *draft = target;

	(void)row;
	draft->health = at;
	return conf_health_build(at, &draft->pool.health, error);
}

/* Indices are values of enum conf_all_down. */
static const char *const all_downs[] = {
	[ALL_DOWN_SERVE] = "serve", [ALL_DOWN_REFUSE] = "refuse", NULL};

const char *conf_all_down_name(enum conf_all_down all_down)
{
	return all_downs[all_down];
}

const struct conf_directive conf_pool_table[] = {
	{"scheduler", "scheduler least_load|maglev|round_robin|random|source_hash;", 1, 1,
	 conf_set_choice, AT(scheduler), .choices = schedulers},
	{"backend",
	 "backend ADDRESS:PORT [weight 1..1000] [max_connections N] [owner USER] [drain]; "
	 "(0 is no limit; USER as `getent passwd` lists it)",
	 1, 8, .set = set_backend, .repeat = true},
	{"owner", "owner USER; one that `getent passwd` lists", 1, 1, .set = set_maker},
	{"weight", "weight N; 1..1000", 1, 1, conf_set_number, AT(weight), 1, CONF_WEIGHT_MAX},
	{"max_connections", "max_connections N; 0..4294967294 (0 is no limit)", 1, 1,
	 conf_set_number, AT(max_connections), 0, UINT32_MAX - 1},
	{"drain_timeout", "drain_timeout TIME; " TIME, 1, 1, conf_set_ms, AT(pool.drain_timeout_ms),
	 0, MOST_MS},
	{"slow_start", "slow_start TIME; " TIME, 1, 1, conf_set_ms, AT(pool.slow_start_ms), 0,
	 MOST_MS},
	{"roll_parallel", "roll_parallel N; 1..4096", 1, 1, conf_set_number, AT(pool.roll_parallel),
	 1, LB_MAX_BACKENDS},
	{"all_down", "all_down serve|refuse;", 1, 1, conf_set_choice, AT(pool.all_down),
	 .choices = all_downs},
	{"worker", "worker { }", 0, 0, .set = set_worker, .body = true},
	{"health", "health { }", 0, 0, .set = set_health, .body = true},
	{.name = NULL},
};

/* A check by a command has no more rights than what it checks. */
static int settle_check(struct conf_pool *pool, struct error *error)
{
	struct conf_health *health = &pool->health;
	const struct conf_worker *worker = pool->worker;
	int code = 0;

	if (!worker || health->kind != HEALTH_EXEC || health->user)
		return 0;
	health->confinement = worker->confinement;
	health->confinement.private_tmp = false;
	health->confinement.read_only = NULL;
	if (worker->user)
		code = conf_copy(pool->at, &health->user, worker->user, error);
	if (!code && worker->group)
		code = conf_copy(pool->at, &health->group, worker->group, error);
	return code;
}

static int settle_pool(struct pool_draft *draft, struct error *error)
{
	struct conf_pool *pool = &draft->pool;

	pool->scheduler = draft->scheduler;
	for (size_t i = 0; i < pool->backend_count; i++) {
		struct conf_backend *backend = &pool->backends[i];

		if (backend->weight == unset)
			backend->weight = draft->weight;
		if (backend->max_connections == unset)
			backend->max_connections = draft->max_connections;
		if (backend->supervised || backend->maker)
			continue;
		backend->maker = draft->maker;
		backend->maker_uid = draft->maker_uid;
	}
	if (pool->health.restart && !pool->worker)
		return block_error(draft->health, error, -EINVAL,
				   "health: found on_failure restart; in a pool without worker { "
				   "}; mark is allowed there");
	return settle_check(pool, error);
}

int conf_pool_build(const struct block *at, struct conf_pool *pool, struct error *error)
{
	struct pool_draft draft = {
		.pool = {.at = at, .drain_timeout_ms = 30000, .roll_parallel = 1}, .weight = 1};
	int code = conf_walk_named(at, &draft.pool.name, "pool", conf_pool_table, &draft, error);

	if (!code)
		code = settle_pool(&draft, error);
	if (code)
		conf_pool_clear(&draft.pool);
	*pool = draft.pool;
	return code;
}

void conf_pool_clear(struct conf_pool *pool)
{
	free(pool->name);
	free(pool->backends);
	conf_worker_free(pool->worker);
	conf_health_clear(&pool->health);
	*pool = (struct conf_pool){0};
}

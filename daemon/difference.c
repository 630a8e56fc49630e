/* SPDX-License-Identifier: Apache-2.0 */
#include "difference.h"

#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "addr.h"

struct difference {
	FILE *out;
	unsigned count;
};

static void __attribute__((format(printf, 2, 3)))
line(struct difference *difference, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(difference->out, format, args);
	va_end(args);
	fputc('\n', difference->out);
	difference->count++;
}

static const char *text_of(const char *string)
{
	return string ? string : "";
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(text_of(a), text_of(b));
}

/* What counts without a new process. */
static char *manner(const struct conf_worker *worker)
{
	size_t length;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	fprintf(out, "%d %d %u %u %u %u %u\n", worker->autostart, worker->restart,
		worker->start_retries, worker->start_timeout_ms, worker->stable_ms,
		worker->backoff_min_ms, worker->backoff_max_ms);
	for (size_t i = 0; i < sizeof(worker->exit_codes) / sizeof(*worker->exit_codes); i++)
		fprintf(out, "%llx ", (unsigned long long)worker->exit_codes[i]);
	fprintf(out, "%u %d %u %d\n%s\n%s\n%s\n%s\n%u %llu\n", worker->backlog, worker->stop_signal,
		worker->stop_timeout_ms, worker->priority, text_of(worker->before_start),
		text_of(worker->before_start_user), text_of(worker->after_stop),
		text_of(worker->after_stop_user), worker->max_age_s,
		(unsigned long long)worker->max_memory_bytes);
	fclose(out);
	return text;
}

/* Takes both texts over. */
static bool texts_differ(char *before, char *after)
{
	bool differs = before && after && strcmp(before, after) != 0;

	free(before);
	free(after);
	return differs;
}

bool difference_restarts(const struct conf_pool *from, const struct conf_pool *to)
{
	if (!from->worker || !to->worker)
		return false;
	return from->worker->fingerprint != to->worker->fingerprint;
}

static bool manner_differs(const struct conf_pool *from, const struct conf_pool *to)
{
	if (!from->worker || !to->worker)
		return false;
	return texts_differ(manner(from->worker), manner(to->worker));
}

static char *check_of(const struct conf_health *health)
{
	char *text = NULL;

	if (asprintf(&text, "%d\n%s\n%s\n%s\n%s\n%s\n%u %u %u %u %u %u %d", health->kind,
		     text_of(health->path), text_of(health->host), text_of(health->command),
		     text_of(health->user), text_of(health->group), health->status_min,
		     health->status_max, health->interval_ms, health->timeout_ms, health->rise,
		     health->fall, health->restart) < 0)
		return NULL;
	return text;
}

static const struct conf_backend *backend_of(const struct conf_pool *pool, size_t hint,
					     const struct lb_endpoint *endpoint)
{
	if (hint < pool->backend_count &&
	    !memcmp(&pool->backends[hint].endpoint, endpoint, sizeof(*endpoint)))
		return &pool->backends[hint];
	for (size_t i = 0; i < pool->backend_count; i++)
		if (!memcmp(&pool->backends[i].endpoint, endpoint, sizeof(*endpoint)))
			return &pool->backends[i];
	return NULL;
}

/* 0 is no limit. */
static const char *limit(unsigned most, char text[16])
{
	snprintf(text, 16, most ? "%u" : "none", most);
	return text;
}

static void backend_settings(struct difference *difference, const struct conf_pool *pool,
			     const struct conf_backend *from, const struct conf_backend *to)
{
	const char *kind = to->supervised ? "worker" : "backend", *name = pool->name;
	char at[ADDR_TEXT_BYTES], now[16], was[16];

	addr_format_endpoint(&to->endpoint, at);
	if (from->supervised != to->supervised)
		line(difference, "pool %s: %s %s, was a %s", name, kind, at,
		     from->supervised ? "worker" : "backend");
	if (from->weight != to->weight)
		line(difference, "pool %s: %s %s: weight %u, was %u", name, kind, at, to->weight,
		     from->weight);
	if (from->max_connections != to->max_connections)
		line(difference, "pool %s: %s %s: max_connections %s, was %s", name, kind, at,
		     limit(to->max_connections, now), limit(from->max_connections, was));
	if (from->drain != to->drain)
		line(difference, "pool %s: %s %s: %s", name, kind, at,
		     to->drain ? "drained, was not" : "not drained, was so");
	if (!same_text(from->owner, to->owner))
		line(difference, "pool %s: %s %s: owner %s, was %s", name, kind, at,
		     to->owner ? to->owner : "any", from->owner ? from->owner : "any");
}

static void backends(struct difference *difference, const struct conf_pool *from,
		     const struct conf_pool *to)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < from->backend_count; i++)
		if (!backend_of(to, i, &from->backends[i].endpoint))
			line(difference, "pool %s: %s %s removed", to->name,
			     from->backends[i].supervised ? "worker" : "backend",
			     addr_format_endpoint(&from->backends[i].endpoint, text));
	for (size_t i = 0; i < to->backend_count; i++) {
		const struct conf_backend *now = &to->backends[i];
		const struct conf_backend *was = backend_of(from, i, &now->endpoint);

		addr_format_endpoint(&now->endpoint, text);
		if (!was)
			line(difference, "pool %s: %s %s added", to->name,
			     now->supervised ? "worker" : "backend", text);
		else
			backend_settings(difference, to, was, now);
	}
}

/* What is new has to get up first: a worker has to be started, a check to pass. */
static bool gets_up_late(const struct conf_pool *pool)
{
	return pool->backend_count && (pool->worker || pool->health.kind != HEALTH_NONE);
}

static void tell_gap(struct difference *difference, const struct conf_pool *from,
		     const struct conf_pool *to)
{
	if (!gets_up_late(to) || !from->backend_count)
		return;
	for (size_t i = 0; i < to->backend_count; i++)
		if (backend_of(from, i, &to->backends[i].endpoint))
			return;
	line(difference,
	     "pool %s: none of its backends stays: clients wait until a new one is up; to serve on "
	     "without a wait, add the new ones first, and remove the others when those are up",
	     to->name);
}

static void pool_settings(struct difference *difference, const struct conf_pool *from,
			  const struct conf_pool *to)
{
	if (from->scheduler != to->scheduler)
		line(difference, "pool %s: scheduler %s, was %s", to->name,
		     conf_scheduler_name(to->scheduler), conf_scheduler_name(from->scheduler));
	if (difference_restarts(from, to))
		line(difference, "pool %s: worker settings changed: its workers are rolled",
		     to->name);
	if (manner_differs(from, to))
		line(difference, "pool %s: worker settings changed that need no new process",
		     to->name);
	if (texts_differ(check_of(&from->health), check_of(&to->health)))
		line(difference, "pool %s: health changed", to->name);
	if (from->drain_timeout_ms != to->drain_timeout_ms)
		line(difference, "pool %s: drain_timeout %ums, was %ums", to->name,
		     to->drain_timeout_ms, from->drain_timeout_ms);
	if (from->slow_start_ms != to->slow_start_ms)
		line(difference, "pool %s: slow_start %ums, was %ums", to->name, to->slow_start_ms,
		     from->slow_start_ms);
	if (from->all_down != to->all_down)
		line(difference, "pool %s: all_down %s, was %s", to->name,
		     conf_all_down_name(to->all_down), conf_all_down_name(from->all_down));
	if (from->roll_parallel != to->roll_parallel)
		line(difference, "pool %s: roll_parallel %u, was %u", to->name, to->roll_parallel,
		     from->roll_parallel);
}

/* Lists may be empty, and NULL then. */
static bool same_bytes(const void *a, const void *b, size_t size)
{
	return !size || !memcmp(a, b, size);
}

static bool same_service(const struct conf_service *a, const char *pool_a,
			 const struct conf_service *b, const char *pool_b)
{
	return !strcmp(pool_a, pool_b) && a->listen_count == b->listen_count &&
	       a->acl_count == b->acl_count && a->default_deny == b->default_deny &&
	       same_bytes(a->listens, b->listens, a->listen_count * sizeof(*a->listens)) &&
	       same_bytes(a->acl, b->acl, a->acl_count * sizeof(*a->acl));
}

static void tell_move(struct difference *difference, const struct conf *from, const char *service,
		      const struct conf_pool *pool)
{
	if (gets_up_late(pool) && !conf_find_pool(from, pool->name))
		line(difference,
		     "service %s: its pool %s is new: clients wait until one of it is up; to serve "
		     "on without a wait, add the pool first, and name it there when one is up",
		     service, pool->name);
}

static void services(struct difference *difference, const struct conf *from, const struct conf *to)
{
	for (size_t i = 0; i < from->service_count; i++)
		if (!conf_find_service(to, from->services[i].name))
			line(difference, "service %s removed", from->services[i].name);
	for (size_t i = 0; i < to->service_count; i++) {
		const struct conf_service *now = &to->services[i];
		const struct conf_service *was = conf_find_service(from, now->name);

		if (!was)
			line(difference, "service %s added", now->name);
		else if (!same_service(was, from->pools[was->pool].name, now,
				       to->pools[now->pool].name))
			line(difference, "service %s changed", now->name);
		if (was)
			tell_move(difference, from, now->name, &to->pools[now->pool]);
	}
}

/* Of lbd's own process. */
static void own_settings(struct difference *difference, const struct conf *from,
			 const struct conf *to)
{
	if (!same_text(from->log_file, to->log_file))
		line(difference, "log %s", to->log_file ? to->log_file : "as without `log`");
	else if (from->log_max_bytes != to->log_max_bytes ||
		 from->log_max_files != to->log_max_files)
		line(difference, "log: rotation changed");
	if (!same_text(from->log_directory, to->log_directory))
		line(difference, "log_directory changed: for workers from their next start on");
	if (!same_text(from->pid_file, to->pid_file))
		line(difference, "pid_file %s", to->pid_file ? to->pid_file : "removed");
	if (from->has_hash_seed != to->has_hash_seed ||
	    memcmp(from->hash_seed, to->hash_seed, sizeof(to->hash_seed)))
		line(difference,
		     "hash_seed %s: maglev and source_hash choose others for the same flows",
		     to->has_hash_seed ? "changed" : "removed, one is drawn");
	if (from->min_files != to->min_files || from->min_processes != to->min_processes)
		line(difference, "min_files or min_processes changed");
	if (from->control_mode != to->control_mode ||
	    !same_text(from->control_user, to->control_user) ||
	    !same_text(from->control_group, to->control_group))
		line(difference, "control: who may use the socket changed");
}

static void attaches(struct difference *difference, const struct conf *from, const struct conf *to)
{
	for (size_t i = 0; i < from->attach_count; i++)
		if (!conf_find_attach(to, from->attaches[i].interface))
			line(difference, "interface %s detached", from->attaches[i].interface);
	for (size_t i = 0; i < to->attach_count; i++) {
		const char *interface = to->attaches[i].interface;
		const struct conf_attach *was = conf_find_attach(from, interface);

		if (!was && !if_nametoindex(interface))
			line(difference, "interface %s: waits for the interface to appear",
			     interface);
		else if (!was)
			line(difference, "interface %s attached", interface);
		else if (was->mode != to->attaches[i].mode)
			line(difference, "interface %s attached by another mode", interface);
	}
}

unsigned difference_print(const struct conf *from, const struct conf *to, FILE *out)
{
	struct difference difference = {.out = out};

	own_settings(&difference, from, to);
	attaches(&difference, from, to);
	for (size_t i = 0; i < from->pool_count; i++)
		if (!conf_find_pool(to, from->pools[i].name))
			line(&difference, "pool %s removed", from->pools[i].name);
	for (size_t i = 0; i < to->pool_count; i++) {
		const struct conf_pool *was = conf_find_pool(from, to->pools[i].name);

		if (!was) {
			line(&difference, "pool %s added, %zu backends", to->pools[i].name,
			     to->pools[i].backend_count);
			continue;
		}
		pool_settings(&difference, was, &to->pools[i]);
		backends(&difference, was, &to->pools[i]);
		tell_gap(&difference, was, &to->pools[i]);
	}
	services(&difference, from, to);
	return difference.count;
}

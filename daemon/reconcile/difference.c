/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/difference.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "reconcile/difference_line.h"
#include "reconcile/difference_service.h"

static const char *text_of(const char *string)
{
	return string ? string : "";
}

static bool same_text(const char *a, const char *b)
{
	return !strcmp(text_of(a), text_of(b));
}

/* What counts without a new process. */
static char *worker_manner(const struct conf_worker *worker)
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
	return texts_differ(worker_manner(from->worker), worker_manner(to->worker));
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
static const char *limit_text(unsigned most, char text[16])
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
		difference_line(difference, "pool %s: %s %s, was a %s", name, kind, at,
				from->supervised ? "worker" : "backend");
	if (from->weight != to->weight)
		difference_line(difference, "pool %s: %s %s: weight %u, was %u", name, kind, at,
				to->weight, from->weight);
	if (from->max_connections != to->max_connections)
		difference_line(difference, "pool %s: %s %s: max_connections %s, was %s", name,
				kind, at, limit_text(to->max_connections, now),
				limit_text(from->max_connections, was));
	if (from->drain != to->drain)
		difference_line(difference, "pool %s: %s %s: %s", name, kind, at,
				to->drain ? "drained, was not" : "not drained, was so");
	if (!same_text(from->maker, to->maker))
		difference_line(difference, "pool %s: %s %s: owner %s, was %s", name, kind, at,
				to->maker ? to->maker : "any", from->maker ? from->maker : "any");
}

static void compare_backends(struct difference *difference, const struct conf_pool *from,
			     const struct conf_pool *to)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < from->backend_count; i++)
		if (!backend_of(to, i, &from->backends[i].endpoint))
			difference_line(difference, "pool %s: %s %s removed", to->name,
					from->backends[i].supervised ? "worker" : "backend",
					addr_format_endpoint(&from->backends[i].endpoint, text));
	for (size_t i = 0; i < to->backend_count; i++) {
		const struct conf_backend *now = &to->backends[i];
		const struct conf_backend *was = backend_of(from, i, &now->endpoint);

		addr_format_endpoint(&now->endpoint, text);
		if (!was)
			difference_line(difference, "pool %s: %s %s added", to->name,
					now->supervised ? "worker" : "backend", text);
		else
			backend_settings(difference, to, was, now);
	}
}

static void tell_gap(struct difference *difference, const struct conf *from,
		     const struct conf_pool *was, const struct conf_pool *now)
{
	if (!was->backend_count)
		return;
	for (size_t i = 0; i < now->backend_count; i++)
		if (backend_of(was, i, &now->backends[i].endpoint))
			return;
	if (difference_is_late(from, now))
		difference_line(difference,
				"pool %s: none of its backends stays: clients wait until a new one "
				"is up; to serve on without a wait, add the new ones first, and "
				"remove the others when those are up",
				now->name);
}

static void pool_settings(struct difference *difference, const struct conf_pool *from,
			  const struct conf_pool *to)
{
	if (from->scheduler != to->scheduler)
		difference_line(difference, "pool %s: scheduler %s, was %s", to->name,
				conf_scheduler_name(to->scheduler),
				conf_scheduler_name(from->scheduler));
	if (difference_restarts(from, to))
		difference_line(difference,
				"pool %s: worker settings changed: its workers are rolled",
				to->name);
	if (manner_differs(from, to))
		difference_line(difference,
				"pool %s: worker settings changed that need no new process",
				to->name);
	if (texts_differ(check_of(&from->health), check_of(&to->health)))
		difference_line(difference, "pool %s: health changed", to->name);
	if (from->drain_timeout_ms != to->drain_timeout_ms)
		difference_line(difference, "pool %s: drain_timeout %ums, was %ums", to->name,
				to->drain_timeout_ms, from->drain_timeout_ms);
	if (from->slow_start_ms != to->slow_start_ms)
		difference_line(difference, "pool %s: slow_start %ums, was %ums", to->name,
				to->slow_start_ms, from->slow_start_ms);
	if (from->all_down != to->all_down)
		difference_line(difference, "pool %s: all_down %s, was %s", to->name,
				conf_all_down_name(to->all_down),
				conf_all_down_name(from->all_down));
	if (from->roll_parallel != to->roll_parallel)
		difference_line(difference, "pool %s: roll_parallel %u, was %u", to->name,
				to->roll_parallel, from->roll_parallel);
}

/* Of lbd's own process. */
static void own_settings(struct difference *difference, const struct conf *from,
			 const struct conf *to)
{
	if (!same_text(from->log_file, to->log_file))
		difference_line(difference, "log %s",
				to->log_file ? to->log_file : "as without `log`");
	else if (from->log_max_bytes != to->log_max_bytes ||
		 from->log_max_files != to->log_max_files)
		difference_line(difference, "log: rotation changed");
	if (!same_text(from->log_directory, to->log_directory))
		difference_line(difference,
				"log_directory changed: for workers from their next start on");
	if (!same_text(from->pid_file, to->pid_file))
		difference_line(difference, "pid_file %s", to->pid_file ? to->pid_file : "removed");
	if (from->has_hash_seed != to->has_hash_seed ||
	    memcmp(from->hash_seed, to->hash_seed, sizeof(to->hash_seed)))
		difference_line(
			difference,
			"hash_seed %s: maglev and source_hash choose others for the same flows",
			to->has_hash_seed ? "changed" : "removed, one is drawn");
	if (from->min_files != to->min_files || from->min_processes != to->min_processes)
		difference_line(difference, "min_files or min_processes changed");
	if (from->control_mode != to->control_mode ||
	    !same_text(from->control_user, to->control_user) ||
	    !same_text(from->control_group, to->control_group))
		difference_line(difference, "control: who may use the socket changed");
}

static void compare_attaches(struct difference *difference, const struct conf *from,
			     const struct conf *to)
{
	for (size_t i = 0; i < from->attach_count; i++)
		if (!conf_find_attach(to, from->attaches[i].interface))
			difference_line(difference, "interface %s detached",
					from->attaches[i].interface);
	for (size_t i = 0; i < to->attach_count; i++) {
		const char *interface = to->attaches[i].interface;
		const struct conf_attach *was = conf_find_attach(from, interface);

		if (!was && !if_nametoindex(interface))
			difference_line(difference,
					"interface %s: waits for the interface to appear",
					interface);
		else if (!was)
			difference_line(difference, "interface %s attached", interface);
		else if (was->mode != to->attaches[i].mode)
			difference_line(difference, "interface %s attached by another mode",
					interface);
	}
}

unsigned difference_print(const struct conf *from, const struct conf *to, FILE *out)
{
	struct difference difference = {.out = out};

	own_settings(&difference, from, to);
	compare_attaches(&difference, from, to);
	for (size_t i = 0; i < from->pool_count; i++)
		if (!conf_find_pool(to, from->pools[i].name))
			difference_line(&difference, "pool %s removed", from->pools[i].name);
	for (size_t i = 0; i < to->pool_count; i++) {
		const struct conf_pool *was = conf_find_pool(from, to->pools[i].name);

		if (!was) {
			difference_line(&difference, "pool %s added, %zu backends",
					to->pools[i].name, to->pools[i].backend_count);
			continue;
		}
		pool_settings(&difference, was, &to->pools[i]);
		compare_backends(&difference, was, &to->pools[i]);
		tell_gap(&difference, from, was, &to->pools[i]);
	}
	difference_services(&difference, from, to);
	return difference.count;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "difference.h"

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

static void print_output(FILE *out, const struct conf_output *output)
{
	fprintf(out, "%d %s %llu %u %llu %d\n", output->kind, text_of(output->path),
		(unsigned long long)output->max_bytes, output->max_files,
		(unsigned long long)output->max_age_s, output->prefix);
}

/* Everything that a process has from its start. */
static char *fingerprint(const struct conf_worker *worker)
{
	const struct conf_limits *limits = &worker->limits;
	size_t length;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	fprintf(out, "%s\n%d %d\n%s\n%s\n%s\n%d\n", worker->command, worker->inherit,
		worker->dual_stack, text_of(worker->directory), text_of(worker->user),
		text_of(worker->group), worker->umask);
	for (char **at = worker->environment; *at; at++)
		fprintf(out, "%s\n", *at);
	for (char **at = worker->environment_files; *at; at++)
		fprintf(out, "file %s\n", *at);
	fprintf(out, "%d %d\n", worker->readiness, worker->merge_stderr);
	print_output(out, &worker->stdout_log);
	print_output(out, &worker->stderr_log);
	fprintf(out, "%llu %llu %llu %llu %u %d\n", (unsigned long long)limits->nofile,
		(unsigned long long)limits->core, (unsigned long long)limits->memory_max_bytes,
		(unsigned long long)limits->pids_max, limits->cpu_max_percent, limits->nice);
	fclose(out);
	return text;
}

bool difference_restarts(const struct conf_pool *from, const struct conf_pool *to)
{
	char *before, *after;
	bool differs;

	if (!from->worker || !to->worker)
		return false;
	before = fingerprint(from->worker);
	after = fingerprint(to->worker);
	differs = before && after && strcmp(before, after) != 0;
	free(before);
	free(after);
	return differs;
}

static const struct conf_pool *pool_of(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		if (!strcmp(conf->pools[i].name, name))
			return &conf->pools[i];
	return NULL;
}

static const struct conf_service *service_of(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (!strcmp(conf->services[i].name, name))
			return &conf->services[i];
	return NULL;
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
		else if (was->weight != now->weight ||
			 was->max_connections != now->max_connections || was->drain != now->drain)
			line(difference, "pool %s: backend %s changed", to->name, text);
	}
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

static void services(struct difference *difference, const struct conf *from, const struct conf *to)
{
	for (size_t i = 0; i < from->service_count; i++)
		if (!service_of(to, from->services[i].name))
			line(difference, "service %s removed", from->services[i].name);
	for (size_t i = 0; i < to->service_count; i++) {
		const struct conf_service *now = &to->services[i];
		const struct conf_service *was = service_of(from, now->name);

		if (!was)
			line(difference, "service %s added", now->name);
		else if (!same_service(was, from->pools[was->pool].name, now,
				       to->pools[now->pool].name))
			line(difference, "service %s changed", now->name);
	}
}

static bool attaches(const struct conf *conf, const char *interface)
{
	for (size_t i = 0; i < conf->attach_count; i++)
		if (!strcmp(conf->attaches[i].interface, interface))
			return true;
	return false;
}

unsigned difference_print(const struct conf *from, const struct conf *to, FILE *out)
{
	struct difference difference = {.out = out};

	for (size_t i = 0; i < from->attach_count; i++)
		if (!attaches(to, from->attaches[i].interface))
			line(&difference, "interface %s detached", from->attaches[i].interface);
	for (size_t i = 0; i < to->attach_count; i++)
		if (!attaches(from, to->attaches[i].interface))
			line(&difference, "interface %s attached", to->attaches[i].interface);
	for (size_t i = 0; i < from->pool_count; i++)
		if (!pool_of(to, from->pools[i].name))
			line(&difference, "pool %s removed", from->pools[i].name);
	for (size_t i = 0; i < to->pool_count; i++) {
		const struct conf_pool *was = pool_of(from, to->pools[i].name);

		if (!was) {
			line(&difference, "pool %s added, %zu backends", to->pools[i].name,
			     to->pools[i].backend_count);
			continue;
		}
		pool_settings(&difference, was, &to->pools[i]);
		backends(&difference, was, &to->pools[i]);
	}
	services(&difference, from, to);
	return difference.count;
}

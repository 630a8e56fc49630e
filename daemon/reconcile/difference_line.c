/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/difference_line.h"

#include <stdarg.h>
#include <string.h>

void difference_line(struct difference *difference, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(difference->out, format, args);
	va_end(args);
	fputc('\n', difference->out);
	difference->count++;
}

static const struct conf_backend *backend_in(const struct conf *conf,
					     const struct lb_endpoint *endpoint)
{
	for (size_t i = 0; i < conf->pool_count; i++) {
		const struct conf_pool *pool = &conf->pools[i];

		for (size_t j = 0; j < pool->backend_count; j++)
			if (!memcmp(&pool->backends[j].endpoint, endpoint, sizeof(*endpoint)))
				return &pool->backends[j];
	}
	return NULL;
}

/*
 * One without a worker that is not checked, or is known from another pool, whose check counts until this one's has
 * failed.  At a worker's address it awaits that one's end.
 */
static bool serves_at_once(const struct conf *from, const struct conf_pool *pool,
			   const struct conf_backend *backend)
{
	const struct conf_backend *was;

	if (backend->supervised || backend->drain)
		return false;
	was = backend_in(from, &backend->endpoint);
	return was ? !was->supervised : pool->health.kind == HEALTH_NONE;
}

bool difference_is_late(const struct conf *from, const struct conf_pool *pool)
{
	for (size_t i = 0; i < pool->backend_count; i++)
		if (serves_at_once(from, pool, &pool->backends[i]))
			return false;
	return pool->backend_count > 0;
}

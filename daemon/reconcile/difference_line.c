/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/difference_line.h"

#include <stdarg.h>

void difference_line(struct difference *difference, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(difference->out, format, args);
	va_end(args);
	fputc('\n', difference->out);
	difference->count++;
}

bool difference_is_late(const struct conf_pool *pool)
{
	return pool->backend_count && (pool->worker || pool->health.kind != HEALTH_NONE);
}

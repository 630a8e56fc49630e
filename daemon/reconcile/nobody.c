/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/nobody.h"

#include "model/all_down.h"
#include "model/coming.h"

static bool has_service(const struct pool *pool)
{
	const struct model *model = pool->model;

	for (size_t i = 0; i < model->service_count; i++)
		if (model->services[i]->pool == pool)
			return true;
	return false;
}

static bool has_nobody(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++) {
		const struct backend *backend = pool->backends[i];

		if (backend->state == STATE_UP || (pool->all_down && all_down_fails(backend)))
			return false;
	}
	return has_service(pool);
}

bool nobody_serves(const struct pool *pool)
{
	return has_nobody(pool) && !coming_any(pool);
}

bool nobody_serves_yet(const struct pool *pool)
{
	return has_nobody(pool) && coming_any(pool);
}

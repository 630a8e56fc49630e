/* SPDX-License-Identifier: Apache-2.0 */
/* Those that leave when lbd is started: an lbd before saw them go, or nobody did. */

#include "backend/backend.h"
#include "backend/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "leave/leave.h"
#include "leave/record.h"
#include "remember/remember.h"

static uint64_t left_us(uint64_t until_us)
{
	uint64_t now_us = clock_us();

	if (until_us == UINT64_MAX)
		return UINT64_MAX - 1; /* UINT64_MAX stands for its pool's */
	return until_us > now_us ? until_us - now_us : 0;
}

/* What has been told to end is told so again, and not first waited for. */
static int restore_backend(struct pool *pool, const struct conf_backend *conf,
			   const struct backend_place *place, uint64_t timeout_us,
			   struct error *error)
{
	struct backend *backend;
	int err = backend_new(pool->model, pool, conf, place, &backend, error);

	if (err)
		return err;
	backend->fresh = false;
	backend->goal = GOAL_LEAVE;
	backend->leave.timeout_us = timeout_us;
	if (backend->worker && worker_pid(backend->worker) && remember_stopping(backend))
		backend_process_stop(backend, GOAL_LEAVE);
	leave_add(backend);
	return 0;
}

static void restore_recorded(struct model *model, const struct leave_record *record)
{
	struct pool *pool = pool_new(model, record->conf, 0);
	struct error error = {"out of memory"};

	if (!pool || restore_backend(pool, record->backend, &record->place,
				     left_us(record->until_us), &error))
		log_warning("cannot go on with what leaves pool %s: %s", record->conf->pools->name,
			    error.text);
	if (pool && !pool->leaving)
		pool_free(pool);
}

void leave_restore(struct model *model)
{
	leave_record_each(model, restore_recorded);
}

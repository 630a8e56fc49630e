/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_stage.h"

#include <string.h>

#include "log.h"
#include "plan.h"

static int stage_backends(struct plan *plan, struct error *error)
{
	for (size_t i = 0; i < plan->added_count; i++) {
		struct plan_backend *added = &plan->added[i];
		int err = apply_backend_added(added->backend, &added->before);

		added->is_staged = true;
		if (err)
			return error_set(error, err, "%s: cannot write it to the kernel side: %s",
					 added->backend->name, strerror(-err));
	}
	return 0;
}

static int stage_pools(struct plan *plan, struct error *error)
{
	for (size_t i = 0; i < plan->pool_count; i++) {
		struct pool *pool = plan->pools[i];
		int err;

		plan->staged_pools = i + 1;
		err = plan_predecessor(plan, pool) ? apply_pool_room(pool) : apply_pool_added(pool);
		if (err)
			return error_set(error, err,
					 "pool %s: cannot write it to the kernel side: %s",
					 pool->name, strerror(-err));
	}
	return 0;
}

int plan_stage(struct plan *plan, struct error *error)
{
	int err = stage_backends(plan, error);

	if (!err)
		err = stage_pools(plan, error);
	if (err)
		return err;
	plan->services_staged = true;
	err = apply_services(plan->model, plan->services, plan->conf->service_count);
	return err ? error_set(error, err, "cannot write services to the kernel side: %s",
			       strerror(-err))
		   : 0;
}

/* At a start there is no model to go back to: what an earlier lbd has left serves on as it is. */
void plan_unstage(struct plan *plan)
{
	struct model *model = plan->model;
	int err = 0;

	if (!model->conf && datapath_adopted(model->dp))
		return;
	if (plan->services_staged)
		err = apply_services(model, model->services, model->service_count);
	if (err)
		log_error("cannot put back the services of before: %s", strerror(-err));
	for (size_t i = 0; i < plan->staged_pools; i++)
		if (!plan_predecessor(plan, plan->pools[i]))
			apply_pool_removed(plan->pools[i]);
	for (size_t i = plan->added_count; i-- > 0;)
		if (plan->added[i].is_staged)
			apply_backend_taken_back(plan->added[i].backend, &plan->added[i].before);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/stage.h"

#include <stdlib.h>
#include <string.h>

#include "apply/owed.h"
#include "apply/ring.h"
#include "apply/services.h"
#include "base/log.h"
#include "check/service_clash.h"
#include "datapath/datapath.h"
#include "listeners/listeners.h"
#include "reconcile/plan.h"

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

/*
 * What listens already is to be chosen from the moment at which a service names its pool.  It is taken from nobody: a
 * backend that has the address in another pool goes on in this one, and is not new.
 */
static void capture_listeners(const struct plan *plan)
{
	struct backend **found = calloc(plan->added_count + 1, sizeof(struct backend *));
	size_t count = 0;

	for (size_t i = 0; found && i < plan->added_count; i++) {
		struct backend *backend = plan->added[i].backend;

		if (!plan->added[i].comes_back && !backend->worker)
			found[count++] = backend;
	}
	if (count)
		listeners_capture(plan->model, found, count);
	free(found);
}

static bool was_served(void *arg, const struct lb_endpoint *listen)
{
	const struct model *before = arg;

	for (size_t i = 0; i < before->service_count; i++) {
		const struct conf_service *conf = before->services[i]->conf;

		for (size_t j = 0; j < conf->listen_count; j++)
			if (!memcmp(&conf->listens[j], listen, sizeof(*listen)))
				return true;
	}
	return false;
}

/*
 * Another instance may have come to an address since reconcile_check() has looked.  Each looks again once it has
 * written: so at most one of the two stays.
 */
static int check_others(const struct plan *plan, struct error *error)
{
	struct model *model = plan->model;

	if (!model->conf && datapath_served_on(model->dp))
		return 0; /* what was there before is served on */
	return service_clash_others(plan->conf, datapath_instance(model->dp), was_served, model,
				    error);
}

int plan_stage(struct plan *plan, struct error *error)
{
	int err = stage_backends(plan, error);

	if (!err)
		err = stage_pools(plan, error);
	if (err)
		return err;
	/* At a start what an lbd before has left in place serves. */
	if (plan->model->conf)
		capture_listeners(plan);
	plan->services_staged = true;
	err = apply_services(plan->model, plan->services, plan->conf->service_count);
	if (err)
		return error_set(error, err, "cannot write services to the kernel side: %s",
				 strerror(-err));
	return check_others(plan, error);
}

/* At a start there is no model to go back to: what an earlier lbd has left serves on as it is. */
void plan_unstage(struct plan *plan)
{
	struct model *model = plan->model;
	int err = 0;

	if (!model->conf && datapath_served_on(model->dp))
		return;
	if (plan->services_staged)
		err = apply_services(model, model->services, model->service_count);
	if (err) {
		log_error("cannot put back the services of before: %s; trying again",
			  strerror(-err));
		model->owes_services = true;
		owed_later(model);
	}
	for (size_t i = 0; i < plan->staged_pools; i++)
		if (!plan_predecessor(plan, plan->pools[i]))
			apply_pool_removed(plan->pools[i]);
	for (size_t i = plan->added_count; i-- > 0;)
		if (plan->added[i].is_staged)
			apply_backend_taken_back(plan->added[i].backend, &plan->added[i].before);
}

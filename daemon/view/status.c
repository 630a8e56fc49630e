/* SPDX-License-Identifier: Apache-2.0 */
/* What `lbctl status` shows: lbd itself, its tier, what it counts, what is not to be overlooked. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_text.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "reconcile/nobody.h"
#include "view/view.h"
#include "worker/worker.h"

struct tiers {
	json_t *list;
	unsigned native, generic;
};

static void add_interface(void *arg, const struct interfaces_status *status)
{
	struct tiers *tiers = arg;

	tiers->native += !strcmp(status->tier, "native");
	tiers->generic += !strcmp(status->tier, "generic");
	json_array_append_new(tiers->list,
			      json_pack("{s:o, s:s, s:o}", "interface",
					json_text(status->interface), "tier", status->tier, "note",
					status->note ? json_text(status->note) : json_null()));
}

/* The slowest way that traffic of any attached interface goes. */
static const char *slowest_tier(const struct tiers *tiers)
{
	if (tiers->generic)
		return "generic";
	return tiers->native ? "native" : "none";
}

static json_t *count_reasons(struct datapath *dp)
{
	static const char *const names[LB_REASON_COUNT] = {
#define REASON_NAME(name, text, meaning) [LB_##name] = (text),
		LB_REASONS(REASON_NAME)
#undef REASON_NAME
	};
	uint64_t reasons[LB_REASON_COUNT] = {0};
	json_t *object = json_object();

	datapath_read_reasons(dp, reasons);
	for (int i = 0; i < LB_REASON_COUNT; i++)
		json_object_set_new(object, names[i], json_integer((json_int_t)reasons[i]));
	return object;
}

struct workers {
	int count;
	json_t *outdated; /* names */
};

static void count_worker(void *arg, struct backend *backend)
{
	struct workers *workers = arg;

	if (!backend->worker)
		return;
	workers->count++;
	if (worker_is_outdated(backend->worker))
		json_array_append_new(workers->outdated, json_string(backend->name));
}

/* Whether lbd is on its way to its end. */
static const char *stage_of(const struct lbd *lbd)
{
	if (!lbd->model.stopping)
		return "running";
	return lbd->stop.at_once ? "stopping" : "draining";
}

/* Pools that serve on although all their checks fail. */
static bool serves_though_down(const struct pool *pool)
{
	return pool->all_down;
}

json_t *view_pools_where(const struct model *model, bool (*is_so)(const struct pool *pool))
{
	json_t *names = json_array();

	for (size_t i = 0; i < model->pool_count; i++)
		if (is_so(model->pools[i]))
			json_array_append_new(names, json_string(model->pools[i]->name));
	return names;
}

/* Services at whose addresses others listen as well. */
static json_t *shadowing(const struct model *model)
{
	json_t *names = json_array();

	for (size_t i = 0; i < model->service_count; i++)
		if (model->services[i]->shadowed.inode)
			json_array_append_new(names, json_string(model->services[i]->name));
	return names;
}

json_t *view_status(struct lbd *lbd)
{
	struct model *model = &lbd->model;
	struct tiers tiers = {.list = json_array()};
	struct workers workers = {.outdated = json_array()};
	int backends = 0;

	interfaces_each(lbd->interfaces, add_interface, &tiers);
	for (size_t i = 0; i < model->pool_count; i++)
		backends += (int)model->pools[i]->count;
	pool_each_backend(model, count_worker, &workers);
	return json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:o, s:b, s:i, s:i, s:i, s:i, s:o, s:o, "
			 "s:o, s:o, s:o, s:o}",
			 "version", LB_VERSION, "instance", lbd->instance, "state", stage_of(lbd),
			 "pid", (int)getpid(), "uptime_s",
			 (json_int_t)((clock_us() - lbd->started_us) / 1000000), "tier",
			 slowest_tier(&tiers), "interfaces", tiers.list, "tracks",
			 datapath_tracks(lbd->dp), "services", (int)model->service_count, "pools",
			 (int)model->pool_count, "backends", backends, "workers", workers.count,
			 "outdated", workers.outdated, "all_down",
			 view_pools_where(model, serves_though_down), "nobody_serves",
			 view_pools_where(model, nobody_serves), "clients_wait",
			 view_pools_where(model, nobody_serves_yet), "also_listened",
			 shadowing(model), "counters", count_reasons(lbd->dp));
}

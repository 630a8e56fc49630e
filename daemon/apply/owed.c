/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/owed.h"

#include <errno.h>
#include <string.h>

#include "apply/place.h"
#include "apply/services.h"
#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "datapath/datapath.h"
#include "model/choice.h"

enum { TRY_AGAIN_US = 1000 * 1000 };

static int on_owed(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now;
	owed_pay(arg);
	return 0;
}

void owed_later(struct model *model)
{
	model->is_owing = true;
	if (model->event)
		clock_arm(model->event, &model->owed_timer, TRY_AGAIN_US, on_owed, model);
}

/* The first error counts; what follows is done all the same. */
static void note_first(int *first, int err)
{
	*first = *first ? *first : err;
}

static int disable_backend(struct model *model, uint16_t id)
{
	struct lb_backend value;
	int err = datapath_get_backend(model->dp, id, &value);

	if (err || !(value.flags & LB_BACKEND_ENABLED))
		return err;
	value.flags = 0;
	return datapath_set_backend(model->dp, id, &value);
}

int owed_hide(struct model *model, uint16_t id, const struct lb_endpoint *endpoint)
{
	struct lb_backend_id known;
	int err = datapath_get_backend_id(model->dp, endpoint, &known);

	if (err)
		return err == -ENOENT ? 0 : err;
	return known.backend == id ? datapath_set_backend_id(model->dp, endpoint, NULL) : 0;
}

/* Nobody is chosen by it, and no listener comes to be its own, before its listeners go. */
static int forget_remnant(struct model *model, uint16_t id, const struct remnant *remnant)
{
	int err = disable_backend(model, id);

	note_first(&err, owed_hide(model, id, &remnant->endpoint));
	if (remnant->group)
		note_first(&err, datapath_set_worker(model->dp, remnant->group, NULL));
	for (int is_v6 = 0; is_v6 < 2; is_v6++)
		note_first(&err, datapath_remove_listener(model->dp, id, is_v6));
	return err;
}

void owed_forget(struct model *model, uint16_t id, const struct lb_endpoint *endpoint,
		 uint64_t group)
{
	struct remnant *remnant = &model->remnants[id];
	char text[ADDR_TEXT_BYTES];
	int err;

	*remnant = (struct remnant){.endpoint = *endpoint, .group = group};
	err = forget_remnant(model, id, remnant);
	if (!err)
		return;
	remnant->is_there = true;
	log_error("%s: cannot take it out of the kernel side: %s; trying again, and its place is "
		  "nobody's until then",
		  addr_format_endpoint(endpoint, text), strerror(-err));
	owed_later(model);
}

/* --- what an lbd before has left */

struct stale {
	struct model *model;
	int err;
};

static void forget_key(void *arg, const struct lb_endpoint *key, const struct lb_backend_id *value)
{
	struct stale *stale = arg;

	if (value->backend >= LB_MAX_BACKENDS || !stale->model->by_id[value->backend])
		note_first(&stale->err, datapath_set_backend_id(stale->model->dp, key, NULL));
}

/* Of processes that have ended while no lbd was there. */
static void forget_group(void *arg, uint64_t group, const struct lb_worker *value)
{
	struct stale *stale = arg;
	const struct backend *backend =
		value->backend < LB_MAX_BACKENDS ? stale->model->by_id[value->backend] : NULL;

	if (!backend || backend->group != group)
		note_first(&stale->err, datapath_set_worker(stale->model->dp, group, NULL));
}

static int forget_stale(struct model *model)
{
	struct stale stale = {.model = model};

	note_first(&stale.err, datapath_each_backend_id(model->dp, forget_key, &stale));
	note_first(&stale.err, datapath_each_worker(model->dp, forget_group, &stale));
	for (int id = 0; id < LB_MAX_BACKENDS; id++)
		if (!model->by_id[id])
			note_first(&stale.err, disable_backend(model, (uint16_t)id));
	return stale.err;
}

void owed_forget_stale(struct model *model)
{
	int err = forget_stale(model);

	model->is_stale = err != 0;
	if (!err) {
		pool_forget_pinned(model);
		return;
	}
	log_error("cannot take what an lbd before has left out of the kernel side: %s; trying "
		  "again, and its places are nobody's until then",
		  strerror(-err));
	owed_later(model);
}

/* --- again */

/* Each of them: 0, or -errno; it was told when it failed first. */
static int pay_backend(struct backend *backend)
{
	int err = 0;

	if (backend->owes_value)
		note_first(&err, apply_publish(backend, choice_enabled(backend)));
	backend->owes_value = err != 0;
	if (backend->owes_id)
		note_first(&err, apply_write_id(backend));
	backend->owes_id &= err != 0;
	if (backend->owes_end) {
		note_first(&err, apply_end_worker(backend));
		if (!backend->owes_end && backend->model->hooks.scan_later)
			backend->model->hooks.scan_later(backend->model);
	}
	return err;
}

static int pay_remnant(struct model *model, uint16_t id)
{
	struct remnant *remnant = &model->remnants[id];
	char text[ADDR_TEXT_BYTES];
	int err = remnant->is_there ? forget_remnant(model, id, remnant) : 0;

	if (!err && remnant->is_there)
		log_info("%s: taken out of the kernel side",
			 addr_format_endpoint(&remnant->endpoint, text));
	remnant->is_there = err != 0;
	return err;
}

static int pay_services(struct model *model)
{
	int err = apply_services(model, model->services, model->service_count);

	if (!err && model->owes_services)
		log_info("the services are in the kernel side");
	model->owes_services = err != 0;
	return err;
}

void owed_pay(struct model *model)
{
	int err = 0;

	if (!model->is_owing)
		return;
	for (uint32_t id = 0; id < LB_MAX_BACKENDS; id++) {
		if (model->by_id[id])
			note_first(&err, pay_backend(model->by_id[id]));
		note_first(&err, pay_remnant(model, (uint16_t)id));
	}
	if (model->owes_services)
		note_first(&err, pay_services(model));
	if (model->is_stale) {
		int one = forget_stale(model);

		note_first(&err, one);
		model->is_stale = one != 0;
		if (!one)
			pool_forget_pinned(model);
	}
	model->is_owing = err != 0;
	if (err)
		owed_later(model);
}

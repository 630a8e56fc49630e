/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/services.h"

#include "datapath/datapath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void services_free(struct service **services, size_t count)
{
	for (size_t i = 0; services && i < count; i++) {
		free(services[i]->name);
		free(services[i]);
	}
	free(services);
}

/*
 * Keeps its number over a change, so that its counters go on; and over adoption, where no name is known but
 * addresses are.  -ENOENT: it is new.
 */
static int known_service_id(const struct model *model, const struct conf_service *conf,
			    uint16_t *id)
{
	const struct service *before = pool_find_service(model, conf->name);

	if (before)
		*id = before->id;
	if (before || model->conf)
		return before ? 0 : -ENOENT;
	for (size_t i = 0; i < conf->listen_count; i++) {
		struct lb_service known;
		int err = datapath_get_service(model->dp, &conf->listens[i], &known);

		if (!err)
			*id = known.id;
		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

/* The lowest number that nobody has; that of a service which goes only where there is no other. */
static uint16_t free_service_id(const bool taken[LB_MAX_SERVICES],
				const bool leaving[LB_MAX_SERVICES])
{
	unsigned id = 0;

	while (id < LB_MAX_SERVICES && (taken[id] || leaving[id]))
		id++;
	for (unsigned i = 0; id == LB_MAX_SERVICES && i < LB_MAX_SERVICES; i++)
		if (!taken[i])
			id = i;
	return (uint16_t)id;
}

static int number_services(struct model *model, struct service **services, size_t count)
{
	bool taken[LB_MAX_SERVICES] = {false}, done[LB_MAX_SERVICES] = {false};
	bool before[LB_MAX_SERVICES] = {false};

	for (size_t i = 0; i < model->service_count; i++)
		before[model->services[i]->id] = true;
	for (size_t i = 0; i < count; i++) {
		struct service *service = services[i];
		int err = known_service_id(model, service->conf, &service->id);

		if (err && err != -ENOENT)
			return err;
		if (!err && service->id < LB_MAX_SERVICES && !taken[service->id])
			taken[service->id] = done[i] = true;
	}
	for (size_t i = 0; i < count; i++) {
		if (done[i])
			continue;
		services[i]->id = free_service_id(taken, before);
		services[i]->is_new = true;
		taken[services[i]->id] = true;
	}
	return 0;
}

static struct service *service_new(const struct conf_service *conf, struct pool *pool)
{
	struct service *service = calloc(1, sizeof(*service));

	if (!service)
		return NULL;
	service->conf = conf;
	service->pool = pool;
	service->name = strdup(conf->name);
	if (service->name)
		return service;
	free(service);
	return NULL;
}

/* What was said of it is not said again. */
static void keep_shadowed(const struct model *model, struct service **services, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct service *before = pool_find_service(model, services[i]->name);

		if (!before)
			continue;
		services[i]->shadowed = before->shadowed;
		services[i]->shadowed_at = before->shadowed_at;
		services[i]->shadowed_told_us = before->shadowed_told_us;
	}
}

int services_build(struct model *model, const struct conf *conf, struct pool *const *pools,
		   struct service ***out)
{
	struct service **services = calloc(conf->service_count + 1, sizeof(*services));
	int err;

	if (!services)
		return -ENOMEM;
	for (size_t i = 0; i < conf->service_count; i++) {
		services[i] = service_new(&conf->services[i], pools[conf->services[i].pool]);
		if (!services[i]) {
			services_free(services, i);
			return -ENOMEM;
		}
	}
	err = number_services(model, services, conf->service_count);
	if (err) {
		services_free(services, conf->service_count);
		return err;
	}
	keep_shadowed(model, services, conf->service_count);
	*out = services;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void services_free(struct model *model)
{
	for (size_t i = 0; i < model->service_count; i++) {
		free(model->services[i]->name);
		free(model->services[i]);
	}
	free(model->services);
	model->services = NULL;
	model->service_count = 0;
}

/* Keeps its number over a change, and over adoption, so that its counters go on. */
static bool known_service_id(const struct model *model, const struct conf_service *conf,
			     uint16_t *id)
{
	for (size_t i = 0; i < conf->listen_count; i++) {
		struct lb_service known;

		if (!datapath_get_service(model->dp, &conf->listens[i], &known)) {
			*id = known.id;
			return true;
		}
	}
	return false;
}

static void number_services(struct model *model, size_t count)
{
	bool taken[LB_MAX_SERVICES] = {false}, done[LB_MAX_SERVICES] = {false};
	unsigned next = 0;

	for (size_t i = 0; i < count; i++) {
		struct service *service = model->services[i];

		if (known_service_id(model, service->conf, &service->id) &&
		    service->id < LB_MAX_SERVICES && !taken[service->id])
			taken[service->id] = done[i] = true;
	}
	for (size_t i = 0; i < count; i++) {
		if (done[i])
			continue;
		while (taken[next])
			next++;
		taken[next] = true;
		model->services[i]->id = (uint16_t)next;
	}
}

int services_follow(struct model *model, const struct conf *conf)
{
	services_free(model);
	model->services = calloc(conf->service_count + 1, sizeof(*model->services));
	if (!model->services)
		return -ENOMEM;
	for (size_t i = 0; i < conf->service_count; i++) {
		const struct conf_service *from = &conf->services[i];
		struct service *service = calloc(1, sizeof(*service));

		if (!service)
			return -ENOMEM;
		service->conf = from;
		service->name = strdup(from->name);
		service->pool = pool_find(model, conf->pools[from->pool].name);
		model->services[model->service_count++] = service;
		if (!service->name || !service->pool)
			return -ENOMEM;
	}
	number_services(model, conf->service_count);
	return 0;
}

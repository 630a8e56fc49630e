/* SPDX-License-Identifier: Apache-2.0 */
#include "listeners/shadowed.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/log.h"
#include "host/net/match.h"
#include "listeners/sorted.h"
#include "looks/port_user.h"
#include "model/listener.h"

enum {
	TOLD_AGAIN_US = 60 * 1000 * 1000, /* whoever comes and goes there does not fill the log */
	/* At one address: a worker may have thousands of listeners there, each compared with all backends. */
	LOOKS_MOST = 64,
};

struct shadowed {
	struct service *service;
	const struct sockets_listener *listener;
};

struct search {
	const struct sockets_listener *listener;
	bool is_backends;
};

static void compare_backend(void *arg, struct backend *backend)
{
	struct search *search = arg;

	/* A worker's, also one that it has just left: others on its port are told as such. */
	search->is_backends |=
		backend->worker ? listeners_match(&backend->endpoint, &search->listener->endpoint)
				: listener_is_own(backend, search->listener);
}

static bool is_backends(struct model *model, const struct sockets_listener *listener)
{
	struct search search = {.listener = listener};

	pool_each_backend(model, compare_backend, &search);
	return search.is_backends;
}

/* At this address. */
static const struct sockets_listener *find_at(struct model *model, const struct lb_endpoint *listen,
					      const struct sockets_listener *listeners,
					      size_t count)
{
	size_t i = sorted_first(listeners, count, listen->port);
	unsigned looks = 0;

	for (; i < count && listeners[i].endpoint.port == listen->port && looks < LOOKS_MOST; i++) {
		if (!match_service_shares(listen, &listeners[i]))
			continue;
		if (!is_backends(model, &listeners[i]))
			return &listeners[i];
		looks++;
	}
	return NULL;
}

static const struct sockets_listener *find_of(struct model *model, struct service *service,
					      const struct sockets_listener *listeners,
					      size_t count)
{
	const struct sockets_listener *found = NULL;

	for (size_t i = 0; i < service->conf->listen_count && !found; i++) {
		found = find_at(model, &service->conf->listens[i], listeners, count);
		service->shadowed_at = service->conf->listens[i];
	}
	return found;
}

static void tell_shadowed(struct service *service)
{
	uint64_t now_us = clock_us();
	char text[SHADOWED_TEXT_BYTES];

	if (service->shadowed_told_us && now_us - service->shadowed_told_us < TOLD_AGAIN_US)
		return;
	service->shadowed_told_us = now_us;
	log_warning("service %s: %s", service->name, shadowed_text(service, text));
}

static void name_all(const struct shadowed *list, size_t count)
{
	uint32_t *inodes = calloc(count, sizeof(*inodes));
	struct sockets_holder *holders = calloc(count, sizeof(*holders));

	if (!inodes || !holders)
		goto out;
	for (size_t i = 0; i < count; i++) {
		inodes[i] = list[i].listener->inode;
		holders[i].user = list[i].listener->uid;
	}
	if (sockets_find_holders(inodes, count, holders))
		goto out;
	for (size_t i = 0; i < count; i++) {
		port_user_set(&list[i].service->shadowed, NULL, list[i].listener, &holders[i]);
		tell_shadowed(list[i].service);
	}
out:
	free(inodes);
	free(holders);
}

void shadowed_look(struct model *model, const struct sockets_listener *listeners, size_t count)
{
	struct shadowed *list = calloc(model->service_count + 1, sizeof(*list));
	size_t new_count = 0;

	for (size_t i = 0; list && i < model->service_count; i++) {
		struct service *service = model->services[i];
		const struct sockets_listener *found = find_of(model, service, listeners, count);

		if (!found)
			service->shadowed.inode = 0;
		else if (service->shadowed.inode != found->inode)
			list[new_count++] = (struct shadowed){service, found};
	}
	if (new_count)
		name_all(list, new_count);
	free(list);
}

const char *shadowed_text(const struct service *service, char text[SHADOWED_TEXT_BYTES])
{
	char at[ADDR_TEXT_BYTES];

	if (!service->shadowed.inode)
		return NULL;
	snprintf(text, SHADOWED_TEXT_BYTES,
		 "port %u is also listened on by %s: it gets no connection to %s while lbd serves "
		 "there",
		 ntohs(service->shadowed_at.port), service->shadowed.text,
		 addr_format_endpoint(&service->shadowed_at, at));
	return text;
}

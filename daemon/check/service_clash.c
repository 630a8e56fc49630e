/* SPDX-License-Identifier: Apache-2.0 */
#include "check/service_clash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "datapath/pins/others.h"
#include "host/net/match.h"
#include "host/net/sockets.h"

/* A listener of this host that a service would hide. */
struct clash {
	const struct conf *conf;
	service_clash_served *is_served;
	void *arg;
	const struct conf_service *service;
	const struct lb_endpoint *listen;
	struct sockets_listener listener;
};

static bool is_backend_of(const struct conf *conf, const struct sockets_listener *listener)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		for (size_t j = 0; j < conf->pools[i].backend_count; j++)
			if (listeners_match(&conf->pools[i].backends[j].endpoint,
					    &listener->endpoint))
				return true;
	return false;
}

static void find_clash(void *arg, const struct sockets_listener *listener)
{
	struct clash *clash = arg;

	for (size_t i = 0; i < clash->conf->service_count && !clash->service; i++) {
		const struct conf_service *service = &clash->conf->services[i];

		for (size_t j = 0; j < service->listen_count && !clash->service; j++) {
			if (!match_service_shares(&service->listens[j], listener) ||
			    (clash->is_served &&
			     clash->is_served(clash->arg, &service->listens[j])) ||
			    is_backend_of(clash->conf, listener))
				continue;
			clash->service = service;
			clash->listen = &service->listens[j];
			clash->listener = *listener;
		}
	}
}

struct others_clash {
	struct clash clash;
	char instance[OTHERS_NAME_BYTES];
	struct lb_endpoint theirs;
};

static void find_other(void *arg, const char *instance, const struct lb_endpoint *theirs)
{
	struct others_clash *others = arg;
	struct clash *clash = &others->clash;

	for (size_t i = 0; i < clash->conf->service_count && !clash->service; i++) {
		const struct conf_service *service = &clash->conf->services[i];

		for (size_t j = 0; j < service->listen_count && !clash->service; j++) {
			if (!match_shares((struct match_at){&service->listens[j], false},
					  (struct match_at){theirs, false}) ||
			    (clash->is_served &&
			     clash->is_served(clash->arg, &service->listens[j])))
				continue;
			clash->service = service;
			clash->listen = &service->listens[j];
			others->theirs = *theirs;
			snprintf(others->instance, sizeof(others->instance), "%s", instance);
		}
	}
}

int service_clash_others(const struct conf *conf, const char *instance,
			 service_clash_served *is_served, void *arg, struct error *error)
{
	struct others_clash others = {.clash = {.conf = conf, .is_served = is_served, .arg = arg}};
	char text[ADDR_TEXT_BYTES], theirs[ADDR_TEXT_BYTES];

	others_each_listen(instance, find_other, &others);
	if (!others.clash.service)
		return 0;
	return block_error(others.clash.service->at, error, -EADDRINUSE,
			   "service %s: %s is in use by instance %s of lbd, which serves %s: take "
			   "it from there (`lbctl -n %s service`), or listen elsewhere",
			   others.clash.service->name,
			   addr_format_endpoint(others.clash.listen, text), others.instance,
			   addr_format_endpoint(&others.theirs, theirs), others.instance);
}

struct backend_clash {
	const struct conf *conf;
	service_clash_served *is_known;
	void *arg;
	const struct conf_backend *backend;
	char instance[OTHERS_NAME_BYTES];
	struct lb_endpoint theirs;
};

static void find_backend(void *arg, const char *instance, const struct lb_endpoint *theirs)
{
	struct backend_clash *clash = arg;

	for (size_t i = 0; i < clash->conf->pool_count; i++) {
		const struct conf_pool *pool = &clash->conf->pools[i];

		for (size_t j = 0; j < pool->backend_count && !clash->backend; j++) {
			const struct conf_backend *backend = &pool->backends[j];

			if (!match_shares((struct match_at){&backend->endpoint, false},
					  (struct match_at){theirs, false}) ||
			    (clash->is_known && clash->is_known(clash->arg, &backend->endpoint)))
				continue;
			clash->backend = backend;
			clash->theirs = *theirs;
			snprintf(clash->instance, sizeof(clash->instance), "%s", instance);
		}
	}
}

int service_clash_backends(const struct conf *conf, const char *instance,
			   service_clash_served *is_known, void *arg, struct error *error)
{
	struct backend_clash clash = {.conf = conf, .is_known = is_known, .arg = arg};
	char text[ADDR_TEXT_BYTES], theirs[ADDR_TEXT_BYTES];

	others_each_listen(instance, find_backend, &clash);
	if (!clash.backend)
		return 0;
	return block_error(clash.backend->at, error, -EADDRINUSE,
			   "%s: found %s, where instance %s of lbd takes connections (%s); take "
			   "another port for the backend",
			   clash.backend->at->words[0],
			   addr_format_endpoint(&clash.backend->endpoint, text), clash.instance,
			   addr_format_endpoint(&clash.theirs, theirs));
}

int service_clash_check(const struct conf *conf, const char *instance,
			service_clash_served *is_served, void *arg, struct error *error)
{
	struct clash clash = {.conf = conf, .is_served = is_served, .arg = arg};
	struct sockets_owner owner = {0};
	char text[ADDR_TEXT_BYTES];
	int err = service_clash_others(conf, instance, is_served, arg, error);

	if (err)
		return err;
	err = sockets_each_listener(0, find_clash, &clash);
	if (err)
		return error_set(error, err, "cannot list listening sockets: %s", strerror(-err));
	if (!clash.service)
		return 0;
	addr_format_endpoint(clash.listen, text);
	owner.user = clash.listener.uid;
	sockets_find_owners(&clash.listener.inode, 1, &owner);
	if (owner.pid)
		return block_error(clash.service->at, error, -EADDRINUSE,
				   "service %s: %s is in use by %s (pid %d): end it, or listen "
				   "elsewhere",
				   clash.service->name, text, owner.comm, owner.pid);
	return block_error(
		clash.service->at, error, -EADDRINUSE,
		"service %s: %s is in use by another process: end it, or listen elsewhere",
		clash.service->name, text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check/service_clash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
	const struct conf_service *service; /* the first; NULL: none */
	const struct lb_endpoint *listen;
	struct sockets_listener listener;
	bool *is_hit; /* of each address of a service, in turn */
	size_t count;
};

static int make_hits(struct clash *clash, struct error *error)
{
	size_t listens = 1;

	for (size_t i = 0; i < clash->conf->service_count; i++)
		listens += clash->conf->services[i].listen_count;
	clash->is_hit = calloc(listens, sizeof(*clash->is_hit));
	return clash->is_hit ? 0 : error_set(error, -ENOMEM, "out of memory");
}

/* Whether it is the first that is hit; else that it is one more. */
static bool note_hit(struct clash *clash, const struct conf_service *service, size_t listen,
		     size_t number)
{
	bool is_first = !clash->service;

	clash->count += !clash->is_hit[number];
	clash->is_hit[number] = true;
	if (!is_first)
		return false;
	clash->service = service;
	clash->listen = &service->listens[listen];
	return true;
}

/* What one line says of all others. */
static const char *count_others(struct clash *clash, char text[96])
{
	free(clash->is_hit);
	*text = '\0';
	if (clash->count > 1)
		snprintf(text, 96, "; %zu more addresses of services are in use, too",
			 clash->count - 1);
	return text;
}

/* Of one that lbd does not supervise: at exactly its address, as listener_is_own() has it. */
static bool is_backend(const struct conf_backend *backend, const struct sockets_listener *listener)
{
	if (backend->supervised)
		return listeners_match(&backend->endpoint, &listener->endpoint);
	return !memcmp(&backend->endpoint, &listener->endpoint, sizeof(listener->endpoint));
}

static bool is_backend_of(const struct conf *conf, const struct sockets_listener *listener)
{
	for (size_t i = 0; i < conf->pool_count; i++)
		for (size_t j = 0; j < conf->pools[i].backend_count; j++)
			if (is_backend(&conf->pools[i].backends[j], listener))
				return true;
	return false;
}

static void find_clash(void *arg, const struct sockets_listener *listener)
{
	struct clash *clash = arg;
	size_t number = 0;

	for (size_t i = 0; i < clash->conf->service_count; i++) {
		const struct conf_service *service = &clash->conf->services[i];

		for (size_t j = 0; j < service->listen_count; j++, number++) {
			if (!match_service_shares(&service->listens[j], listener) ||
			    (clash->is_served &&
			     clash->is_served(clash->arg, &service->listens[j])) ||
			    is_backend_of(clash->conf, listener))
				continue;
			if (note_hit(clash, service, j, number))
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
	size_t number = 0;

	for (size_t i = 0; i < clash->conf->service_count; i++) {
		const struct conf_service *service = &clash->conf->services[i];

		for (size_t j = 0; j < service->listen_count; j++, number++) {
			if (!match_shares((struct match_at){&service->listens[j], false},
					  (struct match_at){theirs, false}) ||
			    (clash->is_served &&
			     clash->is_served(clash->arg, &service->listens[j])))
				continue;
			if (!note_hit(clash, service, j, number))
				continue;
			others->theirs = *theirs;
			snprintf(others->instance, sizeof(others->instance), "%s", instance);
		}
	}
}

int service_clash_others(const struct conf *conf, const char *instance,
			 service_clash_served *is_served, void *arg, struct error *error)
{
	struct others_clash others = {.clash = {.conf = conf, .is_served = is_served, .arg = arg}};
	char text[ADDR_TEXT_BYTES], theirs[ADDR_TEXT_BYTES], more[96];
	int err = make_hits(&others.clash, error);
	bool is_backend; /* that is in the way */

	if (err)
		return err;
	others_each_listen(instance, find_other, &others);
	is_backend = !others.clash.service;
	others_each_backend(instance, find_other, &others);
	count_others(&others.clash, more);
	if (!others.clash.service)
		return 0;
	return block_error(others.clash.service->at, error, -EADDRINUSE,
			   is_backend ? "service %s: %s is in use by instance %s of lbd, which has "
					"a backend at %s: take it from there (`lbctl -n %s pool`), "
					"or listen elsewhere%s"
				      : "service %s: %s is in use by instance %s of lbd, which "
					"serves %s: take it from there (`lbctl -n %s service`), or "
					"listen elsewhere%s",
			   others.clash.service->name,
			   addr_format_endpoint(others.clash.listen, text), others.instance,
			   addr_format_endpoint(&others.theirs, theirs), others.instance, more);
}

static int refuse_clash(const struct clash *clash, const char *more, struct error *error)
{
	struct sockets_holder holder = {.user = clash->listener.uid};
	char text[ADDR_TEXT_BYTES];

	addr_format_endpoint(clash->listen, text);
	sockets_find_holders(&clash->listener.inode, 1, &holder);
	if (holder.pid)
		return block_error(clash->service->at, error, -EADDRINUSE,
				   "service %s: %s is in use by %s (pid %d): end it, or listen "
				   "elsewhere%s",
				   clash->service->name, text, holder.comm, holder.pid, more);
	return block_error(
		clash->service->at, error, -EADDRINUSE,
		"service %s: %s is in use by another process: end it, or listen elsewhere%s",
		clash->service->name, text, more);
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
	char more[96];
	int err = service_clash_others(conf, instance, is_served, arg, error);

	if (!err)
		err = make_hits(&clash, error);
	if (err)
		return err;
	err = sockets_each_listener(0, find_clash, &clash);
	count_others(&clash, more);
	if (err)
		return error_set(error, err, "cannot list listening sockets: %s", strerror(-err));
	return clash.service ? refuse_clash(&clash, more, error) : 0;
}

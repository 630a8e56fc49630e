/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/held_ports.h"

#include <arpa/inet.h>
#include <errno.h>

#include "host/net/holder_text.h"
#include "host/net/match.h"
#include "host/net/sockets.h"
#include "leave/leave.h"
#include "model/listener.h"
#include "model/pool.h"

/* Some client of the one is a client of the other: as of 0.0.0.0:80, whose service is to be at 192.0.2.1:80. */
static bool shares_address(const struct conf_service *a, const struct conf_service *b)
{
	for (size_t i = 0; i < a->listen_count; i++)
		for (size_t j = 0; j < b->listen_count; j++)
			if (match_shares((struct match_at){&a->listens[i], false},
					 (struct match_at){&b->listens[j], false}))
				return true;
	return false;
}

static bool has_one_up(const struct pool *pool)
{
	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i]->state == STATE_UP)
			return true;
	return false;
}

/* By its addresses: that is what its clients know it by. */
static bool has_clients(const struct model *model, const struct conf_service *service)
{
	for (size_t i = 0; i < model->service_count; i++)
		if (shares_address(model->services[i]->conf, service) &&
		    has_one_up(model->services[i]->pool))
			return true;
	return false;
}

static bool is_known(const struct model *model, const struct conf_pool *pool,
		     const struct conf_backend *conf)
{
	const struct pool *known = pool_find(model, pool->name);
	const struct backend *found =
		known ? pool_find_backend(model, known, &conf->endpoint) : NULL;

	return (found && found->worker) || leave_find(model, pool->name, conf);
}

struct look {
	const struct model *model;
	const struct lb_endpoint *endpoint;
	bool dual_stack;
	struct sockets_listener listener; /* without an inode: none is in the way */
};

static const struct backend *worker_of(const struct model *model,
				       const struct sockets_listener *listener)
{
	for (size_t i = 0; i < LB_MAX_BACKENDS; i++) {
		const struct backend *at = model->by_id[i];

		if (at && at->worker && listeners_match(&at->endpoint, &listener->endpoint) &&
		    listener_is_own(at, listener))
			return at;
	}
	return NULL;
}

static void look_at(void *arg, const struct sockets_listener *listener)
{
	struct look *look = arg;

	if (!look->listener.inode && listener->inode &&
	    match_blocks(look->endpoint, look->dual_stack, listener))
		look->listener = *listener;
}

/* What a new worker waits for: a socket that is in its way, or a worker that has its name, see leaving_will_hold(). */
struct held {
	struct sockets_listener listener;
	const struct backend *namesake; /* NULL: the socket */
};

/* At another address, or it would be known. */
static const struct backend *find_namesake(const struct model *model, const struct conf_pool *pool,
					   const struct conf_backend *conf)
{
	const struct pool *known = pool_find(model, pool->name);

	for (size_t i = 0; known && i < known->count; i++) {
		const struct backend *at = known->backends[i];

		if (at->worker && state_has_process(at->state) &&
		    at->endpoint.port == conf->endpoint.port)
			return at;
	}
	return NULL;
}

/* The first that does not say so ends the look: most often the first of all. */
static bool all_are_held(const struct model *model, const struct conf_pool *pool,
			 struct held *first)
{
	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct conf_backend *conf = &pool->backends[i];
		struct look look = {.model = model,
				    .endpoint = &conf->endpoint,
				    .dual_stack = pool->worker->dual_stack};
		struct held held = {0};

		if (!conf->supervised || is_known(model, pool, conf))
			return false;
		held.namesake = find_namesake(model, pool, conf);
		if (!held.namesake &&
		    (sockets_each_listener(ntohs(conf->endpoint.port), look_at, &look) ||
		     !look.listener.inode))
			return false;
		held.listener = look.listener;
		if (!i)
			*first = held;
	}
	return pool->backend_count > 0;
}

/* A worker of lbd's is in the way only where it leaves with the change, or does already: it is waited for. */
static int refuse_wait(const struct conf_service *service, const struct conf_pool *pool,
		       const struct backend *holder, struct error *error)
{
	return error_set(
		error, -EADDRINUSE,
		"clients of service %.60s would wait until %.80s has ended, which leaves and may "
		"keep its connections for its drain_timeout (%.1f s): the new workers of pool "
		"%.60s have its ports; give them other ports, and they start beside what serves; "
		"if the wait is meant: `lbctl reload force`",
		service->name, holder->name, holder->pool->conf->drain_timeout_ms / 1000.0,
		pool->name);
}

static int refuse_port(const struct model *model, const struct conf_service *service,
		       const struct conf_pool *pool, const struct held *held, struct error *error)
{
	const struct sockets_listener *listener = &held->listener;
	const struct backend *other = held->namesake ? held->namesake : worker_of(model, listener);
	struct sockets_holder holder = {.user = listener->uid};
	char user[128];

	if (other)
		return refuse_wait(service, pool, other, error);
	sockets_find_holders(&listener->inode, 1, &holder);
	holder_text(&holder, listener->uid, user, sizeof(user));
	return error_set(
		error, -EADDRINUSE,
		"clients of service %.60s would be refused until one of them is free: the ports of "
		"the new workers of pool %.60s are in use, %u by %.100s; start them on other "
		"ports, beside what serves (MOVING in lbd.conf(5)); if that is meant: `lbctl "
		"reload force`",
		service->name, pool->name, ntohs(listener->endpoint.port), user);
}

int held_ports_check(const struct model *model, const struct conf *to, struct error *error)
{
	struct held held;

	for (size_t i = 0; i < to->service_count; i++) {
		const struct conf_service *service = &to->services[i];
		const struct conf_pool *pool = &to->pools[service->pool];

		if (pool->worker && pool->worker->autostart && has_clients(model, service) &&
		    all_are_held(model, pool, &held))
			return refuse_port(model, service, pool, &held, error);
	}
	return 0;
}

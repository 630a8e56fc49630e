/* SPDX-License-Identifier: Apache-2.0 */
/* What concerns several pools and services: addresses that two of them use, and limits of all together. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "conf/private.h"

/* An address that somebody uses: a backend of pool, or a listen of service. */
struct use {
	struct lb_endpoint endpoint;
	unsigned object, place; /* index of the pool or service; of the backend or listen in it */
};

/* By port, so that 0.0.0.0 and :: come right before the addresses that they cover. */
static int compare_endpoints(const struct lb_endpoint *a, const struct lb_endpoint *b)
{
	if (a->port != b->port)
		return ntohs(a->port) < ntohs(b->port) ? -1 : 1;
	return memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static int compare_uses(const void *a, const void *b)
{
	const struct use *x = a, *y = b;
	int order = compare_endpoints(&x->endpoint, &y->endpoint);

	if (order)
		return order;
	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static const struct use *find_use(const struct use *uses, size_t count,
				  const struct lb_endpoint *endpoint)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (compare_endpoints(&uses[middle].endpoint, endpoint) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && compare_endpoints(&uses[low].endpoint, endpoint) == 0 ? &uses[low]
										    : NULL;
}

/* The one of the same port and family whose address is 0.0.0.0 or ::. */
static const struct use *find_any(const struct use *uses, size_t count,
				  const struct lb_endpoint *endpoint)
{
	struct lb_endpoint any = *endpoint;

	addr_any(!addr_is_v4(&endpoint->addr), &any.addr);
	return find_use(uses, count, &any);
}

static const struct conf_backend *backend_of(const struct conf *conf, const struct use *use)
{
	return &conf->pools[use->object].backends[use->place];
}

/* Whether its listener is on this host for sure. */
static bool is_local(const struct conf_backend *backend)
{
	return backend->supervised || addr_is_loopback(&backend->endpoint.addr);
}

static int refuse_backend(const struct conf *conf, const struct use *use, const struct use *other,
			  struct error *error)
{
	const struct conf_backend *backend = backend_of(conf, use),
				  *first = backend_of(conf, other);
	char text[ADDR_TEXT_BYTES], taken[ADDR_TEXT_BYTES], place[CONF_PLACE_BYTES];

	return block_error(backend->at, error, -EINVAL,
			   "%s: found %s of pool %s, but %s is %s of pool %s already%s; take "
			   "another port",
			   backend->at->words[0], addr_format_endpoint(&use->endpoint, text),
			   conf->pools[use->object].name,
			   addr_format_endpoint(&other->endpoint, taken),
			   first->supervised ? "a worker" : "a backend",
			   conf->pools[other->object].name, conf_first_at(first->at, place));
}

/* Two backends that cannot both have their address. */
static int check_backends(const struct conf *conf, const struct use *uses, size_t count,
			  struct error *error)
{
	for (size_t i = 0; i < count; i++) {
		const struct use *any;

		if (i > 0 && compare_endpoints(&uses[i].endpoint, &uses[i - 1].endpoint) == 0)
			return refuse_backend(conf, &uses[i], &uses[i - 1], error);
		any = find_any(uses, count, &uses[i].endpoint);
		if (any && any != &uses[i] && is_local(backend_of(conf, &uses[i])))
			return refuse_backend(conf, &uses[i], any, error);
	}
	return 0;
}

static int check_listens(const struct conf *conf, const struct use *uses, size_t count,
			 struct error *error)
{
	char text[ADDR_TEXT_BYTES], place[CONF_PLACE_BYTES];

	for (size_t i = 1; i < count; i++) {
		const struct conf_service *service = &conf->services[uses[i].object],
					  *first = &conf->services[uses[i - 1].object];

		if (compare_endpoints(&uses[i].endpoint, &uses[i - 1].endpoint) != 0)
			continue;
		addr_format_endpoint(&uses[i].endpoint, text);
		if (service->implicit)
			return block_error(conf->pools[service->pool].at, error, -EINVAL,
					   "pool default: is to be served on %s, but service %s "
					   "has it; write a service for the pool, or name another "
					   "pool",
					   text, first->name);
		return block_error(service->at, error, -EINVAL,
				   "service %s: found listen %s, which service %s has already%s; "
				   "take another address or port",
				   service->name, text, first->name,
				   conf_first_at(first->at, place));
	}
	return 0;
}

/* A backend that is where a service takes connections would be its own client. */
static int check_between(const struct conf *conf, const struct use *backends, size_t backend_count,
			 const struct use *listens, size_t listen_count, struct error *error)
{
	for (size_t i = 0; i < backend_count; i++) {
		const struct conf_backend *backend = backend_of(conf, &backends[i]);
		const struct use *listen = find_use(listens, listen_count, &backend->endpoint);
		char text[ADDR_TEXT_BYTES], service[ADDR_TEXT_BYTES];

		if (!listen && is_local(backend))
			listen = find_any(listens, listen_count, &backend->endpoint);
		if (listen)
			return block_error(backend->at, error, -EINVAL,
					   "%s: found %s, where service %s takes connections (%s); "
					   "take another port for the backend",
					   backend->at->words[0],
					   addr_format_endpoint(&backend->endpoint, text),
					   conf->services[listen->object].name,
					   addr_format_endpoint(&listen->endpoint, service));
	}
	return 0;
}

static size_t count_backends(const struct conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->pool_count; i++)
		count += conf->pools[i].backend_count;
	return count;
}

static size_t count_listens(const struct conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->service_count; i++)
		count += conf->services[i].listen_count;
	return count;
}

static int check_limits(const struct conf *conf, struct error *error)
{
	size_t backends = count_backends(conf), listens = count_listens(conf), rules = 0;

	for (size_t i = 0; i < conf->service_count; i++)
		rules += conf->services[i].acl_count;
	if (backends > LB_MAX_BACKENDS)
		return error_set(error, -EINVAL,
				 "configuration: found %zu backends in all pools; up to %d are "
				 "allowed",
				 backends, LB_MAX_BACKENDS);
	if (listens > LB_MAX_LISTENS)
		return error_set(error, -EINVAL,
				 "configuration: found %zu listen addresses in all services; up to "
				 "%d are allowed",
				 listens, LB_MAX_LISTENS);
	if (rules > LB_MAX_ACL)
		return error_set(error, -EINVAL,
				 "configuration: found %zu access rules in all services; up to %d "
				 "are allowed",
				 rules, LB_MAX_ACL);
	return 0;
}

static struct use *list_backends(const struct conf *conf, size_t count)
{
	struct use *uses = calloc(count + 1, sizeof(*uses)), *use = uses;

	for (unsigned i = 0; uses && i < conf->pool_count; i++)
		for (unsigned k = 0; k < conf->pools[i].backend_count; k++)
			*use++ = (struct use){conf->pools[i].backends[k].endpoint, i, k};
	if (uses)
		qsort(uses, count, sizeof(*uses), compare_uses);
	return uses;
}

static struct use *list_listens(const struct conf *conf, size_t count)
{
	struct use *uses = calloc(count + 1, sizeof(*uses)), *use = uses;

	for (unsigned i = 0; uses && i < conf->service_count; i++)
		for (unsigned k = 0; k < conf->services[i].listen_count; k++)
			*use++ = (struct use){conf->services[i].listens[k], i, k};
	if (uses)
		qsort(uses, count, sizeof(*uses), compare_uses);
	return uses;
}

int conf_check(const struct conf *conf, struct error *error)
{
	size_t backend_count = count_backends(conf), listen_count = count_listens(conf);
	struct use *backends = list_backends(conf, backend_count);
	struct use *listens = list_listens(conf, listen_count);
	int code = check_limits(conf, error);

	if (!code && (!backends || !listens)) {
		error_set(error, -ENOMEM, "configuration: out of memory");
		code = -ENOMEM;
	}
	if (!code)
		code = check_backends(conf, backends, backend_count, error);
	if (!code)
		code = check_listens(conf, listens, listen_count, error);
	if (!code)
		code = check_between(conf, backends, backend_count, listens, listen_count, error);
	free(backends);
	free(listens);
	return code;
}

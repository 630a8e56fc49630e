/* SPDX-License-Identifier: Apache-2.0 */
#include "check/served.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "host/net/local_keys.h"

/* The nth `listen` of the service as it is written; the service where it is not known. */
static const struct block *listen_at(const struct conf_service *service, size_t nth)
{
	for (const struct block *at = service->at->first; at; at = at->next)
		if (!strcmp(at->words[0], "listen") && !nth--)
			return at;
	return service->at;
}

static bool is_absent(const struct local_keys *locals, const struct lb_endpoint *listen)
{
	return !addr_is_any(&listen->addr) && !local_keys_cover(locals, &listen->addr);
}

/* One line: with an interface that is not up yet go all of its addresses. */
static void warn_not_here(const struct conf_service *service, const struct local_keys *locals,
			  const struct launch_warn *warn)
{
	size_t count = 0, first = 0;
	char text[ADDR_TEXT_BYTES], more[64] = "";
	struct error error;

	for (size_t i = 0; i < service->listen_count; i++)
		if (is_absent(locals, &service->listens[i]) && !count++)
			first = i;
	if (!count)
		return;
	if (count > 1)
		snprintf(more, sizeof(more), " (and %zu more of its addresses)", count - 1);
	block_error(listen_at(service, first), &error, 0,
		    "service %s: listen %s%s: not an address of this host now (`ip route show "
		    "table local` lists them): nobody is served there until it is",
		    service->name, addr_format_endpoint(&service->listens[first], text), more);
	warn->tell(warn->arg, error.text);
}

static void warn_empty(const struct conf *conf, const struct conf_service *service,
		       const struct launch_warn *warn)
{
	const struct conf_pool *pool = &conf->pools[service->pool];
	struct error error;

	if (pool->backend_count)
		return;
	block_error(service->at, &error, 0,
		    "service %s: its pool %s is empty: each client is refused until it has a "
		    "`worker` or a `backend`",
		    service->name, pool->name);
	warn->tell(warn->arg, error.text);
}

/* Of listeners that lbd opens it knows; another backend of the pool may take the others. */
static bool pool_takes(const struct conf_pool *pool, bool is_v6)
{
	const struct conf_worker *worker = pool->worker;

	return !worker || !worker->inherit || pool->backend_count != worker->count ||
	       worker->dual_stack || addr_is_v4(&worker->addr) != is_v6;
}

static void warn_family(const struct conf *conf, const struct conf_service *service, bool is_v6,
			const struct launch_warn *warn)
{
	const struct conf_pool *pool = &conf->pools[service->pool];
	char text[ADDR_TEXT_BYTES];
	struct error error;
	size_t i = 0;

	if (pool_takes(pool, is_v6))
		return;
	while (i < service->listen_count && addr_is_v4(&service->listens[i].addr) == is_v6)
		i++;
	if (i == service->listen_count)
		return;
	block_error(listen_at(service, i), &error, 0,
		    "service %s: listen %s: the inherited listeners of pool %s take no client over "
		    "%s: add `dual_stack on;` to its worker, or change `address`",
		    service->name, addr_format_endpoint(&service->listens[i], text), pool->name,
		    is_v6 ? "IPv6" : "IPv4");
	warn->tell(warn->arg, error.text);
}

void conf_warn_served(const struct conf *conf, const struct launch_warn *warn)
{
	struct local_keys locals = {0};
	bool are_known = !local_keys_read(&locals);

	for (size_t i = 0; i < conf->service_count; i++) {
		if (are_known)
			warn_not_here(&conf->services[i], &locals, warn);
		warn_empty(conf, &conf->services[i], warn);
		warn_family(conf, &conf->services[i], false, warn);
		warn_family(conf, &conf->services[i], true, warn);
	}
	local_keys_free(&locals);
}

static bool is_named(const struct conf *conf, size_t pool)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (conf->services[i].pool == pool)
			return true;
	return false;
}

void conf_warn_unnamed(const struct conf *conf, const struct launch_warn *warn)
{
	struct error error;

	for (size_t i = 0; i < conf->pool_count; i++) {
		if (is_named(conf, i))
			continue;
		block_error(conf->pools[i].at, &error, 0,
			    "pool %s: no service names it: no client comes to it",
			    conf->pools[i].name);
		warn->tell(warn->arg, error.text);
	}
}

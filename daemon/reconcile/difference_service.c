/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/difference_service.h"

#include <string.h>

#include "base/addr.h"

enum { V4_BITS = 96 };

/* Most often it is where it was: at hint. */
static bool has_listen(const struct conf_service *service, size_t hint,
		       const struct lb_endpoint *endpoint)
{
	if (hint < service->listen_count &&
	    !memcmp(&service->listens[hint], endpoint, sizeof(*endpoint)))
		return true;
	for (size_t i = 0; i < service->listen_count; i++)
		if (!memcmp(&service->listens[i], endpoint, sizeof(*endpoint)))
			return true;
	return false;
}

static const struct conf_service *find_listen(const struct conf *conf,
					      const struct lb_endpoint *endpoint)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (has_listen(&conf->services[i], 0, endpoint))
			return &conf->services[i];
	return NULL;
}

/* Who serves clients of that address, as the kernel side chooses: one of the address before one of any. */
static const struct conf_service *find_serving(const struct conf *conf,
					       const struct lb_endpoint *endpoint)
{
	const struct conf_service *service = find_listen(conf, endpoint);
	struct lb_endpoint any = *endpoint;

	if (service)
		return service;
	addr_any(!addr_is_v4(&endpoint->addr), &any.addr);
	return find_listen(conf, &any);
}

/* The service has clients that another one had, or it itself, whatever their names. */
static bool takes_over(const struct conf *from, const struct conf *to,
		       const struct conf_service *now)
{
	for (size_t i = 0; i < now->listen_count; i++)
		if (find_serving(from, &now->listens[i]))
			return true;
	for (size_t i = 0; i < from->service_count; i++)
		for (size_t j = 0; j < from->services[i].listen_count; j++)
			if (find_serving(to, &from->services[i].listens[j]) == now)
				return true;
	return false;
}

/* A worker whose port that backend, which is another's, is to have: it is not started before that one has ended. */
static const struct conf_pool *holder_of(const struct conf *from,
					 const struct conf_backend *backend)
{
	for (size_t i = 0; i < from->pool_count && backend->supervised; i++)
		for (size_t j = 0; j < from->pools[i].backend_count; j++)
			if (from->pools[i].backends[j].supervised &&
			    !memcmp(&from->pools[i].backends[j].endpoint, &backend->endpoint,
				    sizeof(backend->endpoint)))
				return &from->pools[i];
	return NULL;
}

/* The pool whose workers have the first of its ports, where workers have them all. */
static const struct conf_pool *holder_of_all(const struct conf *from, const struct conf_pool *pool)
{
	const struct conf_pool *first = NULL;

	for (size_t i = 0; i < pool->backend_count; i++) {
		const struct conf_pool *holder = holder_of(from, &pool->backends[i]);

		if (!holder)
			return NULL;
		if (!first)
			first = holder;
	}
	return first;
}

static void tell_move(struct difference *difference, const struct conf *from, const struct conf *to,
		      const struct conf_service *now)
{
	const struct conf_pool *pool = &to->pools[now->pool], *holder;

	if (conf_find_pool(from, pool->name) || !takes_over(from, to, now) ||
	    !difference_is_late(from, pool))
		return;
	holder = holder_of_all(from, pool);
	if (holder)
		difference_line(difference,
				"service %s: its pool %s is new, on the ports of pool %s: clients "
				"wait until a worker of that one has ended, and one of these is "
				"up; to serve on without that wait, give it other ports",
				now->name, pool->name, holder->name);
	else
		difference_line(difference,
				"service %s: its pool %s is new: clients wait until one of it is "
				"up; to serve on without a wait, add the pool first, and name it "
				"there when one is up",
				now->name, pool->name);
}

static void tell_listens(struct difference *difference, const struct conf_service *has,
			 const struct conf_service *has_not, const char *what)
{
	char text[ADDR_TEXT_BYTES];

	for (size_t i = 0; i < has->listen_count; i++)
		if (!has_listen(has_not, i, &has->listens[i]))
			difference_line(difference, "service %s: listen %s %s", has->name,
					addr_format_endpoint(&has->listens[i], text), what);
}

static bool same_rule(const struct conf_acl *a, const struct conf_acl *b)
{
	return a->allow == b->allow && a->prefix_bits == b->prefix_bits &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static bool has_rule(const struct conf_service *service, size_t hint, const struct conf_acl *rule)
{
	if (hint < service->acl_count && same_rule(&service->acl[hint], rule))
		return true;
	for (size_t i = 0; i < service->acl_count; i++)
		if (same_rule(&service->acl[i], rule))
			return true;
	return false;
}

static void tell_rules(struct difference *difference, const struct conf_service *has,
		       const struct conf_service *other, const char *what)
{
	for (size_t i = 0; i < has->acl_count; i++) {
		const struct conf_acl *rule = &has->acl[i];
		char text[ADDR_TEXT_BYTES];

		if (!has_rule(other, i, rule))
			difference_line(difference, "service %s: %s %s/%u %s", has->name,
					rule->allow ? "allow" : "deny",
					addr_format(&rule->addr, text),
					rule->prefix_bits - (addr_is_v4(&rule->addr) ? V4_BITS : 0),
					what);
	}
}

static const char *word_for_others(const struct conf_service *service)
{
	return service->default_deny ? "denied" : "allowed";
}

static void tell_service(struct difference *difference, const struct conf_service *was,
			 const char *pool_was, const struct conf_service *now, const char *pool)
{
	if (strcmp(pool_was, pool) != 0)
		difference_line(difference, "service %s: pool %s, was %s", now->name, pool,
				pool_was);
	tell_listens(difference, was, now, "removed");
	tell_listens(difference, now, was, "added");
	tell_rules(difference, was, now, "removed");
	tell_rules(difference, now, was, "added");
	if (was->default_deny != now->default_deny)
		difference_line(difference,
				"service %s: clients that no rule names are %s, were %s", now->name,
				word_for_others(now), word_for_others(was));
}

void difference_services(struct difference *difference, const struct conf *from,
			 const struct conf *to)
{
	for (size_t i = 0; i < from->service_count; i++)
		if (!conf_find_service(to, from->services[i].name))
			difference_line(difference, "service %s removed", from->services[i].name);
	for (size_t i = 0; i < to->service_count; i++) {
		const struct conf_service *now = &to->services[i];
		const struct conf_service *was = conf_find_service(from, now->name);

		if (!was)
			difference_line(difference, "service %s added", now->name);
		else
			tell_service(difference, was, from->pools[was->pool].name, now,
				     to->pools[now->pool].name);
		tell_move(difference, from, to, now);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names: none twice, the pool of each service, and the service `default`. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/private.h"

/* A pool or service by its name, for a sorted list. */
struct named {
	const char *name;
	const struct block *at;
	unsigned index;
};

static int compare_named(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int compare_name(const void *name, const void *named)
{
	return strcmp(name, ((const struct named *)named)->name);
}

/* Sorts; refuses two of one name at the later of them. */
static int sort_names(struct named *list, size_t count, struct error *error)
{
	char place[CONF_PLACE_BYTES];

	qsort(list, count, sizeof(*list), compare_named);
	for (size_t i = 1; i < count; i++)
		if (strcmp(list[i].name, list[i - 1].name) == 0)
			return block_error(list[i].at, error, -EINVAL,
					   "%s: found a second \"%s\"%s; take another name",
					   list[i].at->words[0], list[i].name,
					   conf_first_at(list[i - 1].at, place));
	return 0;
}

static struct named *list_pools(const struct conf *conf)
{
	struct named *list = calloc(conf->pool_count + 1, sizeof(*list));

	for (unsigned i = 0; list && i < conf->pool_count; i++)
		list[i] = (struct named){conf->pools[i].name, conf->pools[i].at, i};
	return list;
}

static struct named *list_services(const struct conf *conf)
{
	struct named *list = calloc(conf->service_count + 1, sizeof(*list));

	for (unsigned i = 0; list && i < conf->service_count; i++)
		list[i] = (struct named){conf->services[i].name, conf->services[i].at, i};
	return list;
}

static int find_pools(struct conf *conf, const char **pools, const struct named *list,
		      struct error *error)
{
	for (size_t i = 0; i < conf->service_count; i++) {
		struct conf_service *service = &conf->services[i];
		const struct named *found =
			bsearch(pools[i], list, conf->pool_count, sizeof(*list), compare_name);
		const char *const words[] = {"pool", NULL};
		const struct block *at = block_find(service->at, words);

		if (!found)
			return block_error(
				at ? at : service->at, error, -EINVAL,
				"service %s: found the pool \"%.80s\", which is nowhere; "
				"write pool %.80s { } or name another",
				service->name, pools[i], pools[i]);
		service->pool = found->index;
	}
	return 0;
}

static bool has_service(const struct conf *conf, unsigned pool)
{
	for (size_t i = 0; i < conf->service_count; i++)
		if (conf->services[i].pool == pool ||
		    strcmp(conf->services[i].name, "default") == 0)
			return true;
	return false;
}

static struct block *default_service(struct conf *conf)
{
	static const char *const service[] = {"service", "default", NULL},
				 *const v4[] = {"listen", "0.0.0.0:80", NULL},
				 *const v6[] = {"listen", "[::]:80", NULL};
	struct block *block = block_append(conf->expanded, true, service);

	if (!block || !block_append(block, false, v4) || !block_append(block, false, v6))
		return NULL;
	return block;
}

/* One without backends would take the port from whoever listens there, for nobody. */
static bool has_backends(const struct conf *conf, const struct named *pool)
{
	return pool && conf->pools[pool->index].backend_count;
}

/* A pool `default` that no service names is served on port 80 of every address. */
static int add_default(struct conf *conf, const struct named *pools, struct error *error)
{
	const struct named *found =
		bsearch("default", pools, conf->pool_count, sizeof(*pools), compare_name);
	struct conf_service *service;
	struct block *block;
	const char *name;
	int code;

	if (!has_backends(conf, found) || has_service(conf, found->index) ||
	    conf->service_count == LB_MAX_SERVICES)
		return 0;
	block = default_service(conf);
	service = conf_grow((void **)&conf->services, conf->service_count, sizeof(*service));
	if (!block || !service)
		return conf_no_memory(found->at, error);
	code = conf_service_build(block, service, &name, error);
	if (code)
		return code;
	service->implicit = true;
	service->pool = found->index;
	conf->service_count++;
	return 0;
}

int conf_resolve(struct conf *conf, const char **pools, struct error *error)
{
	struct named *by_pool = list_pools(conf), *by_service = list_services(conf);
	int code = 0;

	if (!by_pool || !by_service) {
		error_set(error, -ENOMEM, "configuration: out of memory");
		code = -ENOMEM;
	}
	if (!code)
		code = sort_names(by_pool, conf->pool_count, error);
	if (!code)
		code = sort_names(by_service, conf->service_count, error);
	if (!code)
		code = find_pools(conf, pools, by_pool, error);
	if (!code)
		code = add_default(conf, by_pool, error);
	free(by_pool);
	free(by_service);
	return code;
}

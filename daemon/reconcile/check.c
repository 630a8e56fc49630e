/* SPDX-License-Identifier: Apache-2.0 */
#include "reconcile/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "check/launch.h"
#include "check/own_addresses.h"
#include "check/service_clash.h"
#include "datapath/datapath.h"
#include "reconcile/difference.h"

/* Those that were looked at when their backends came. */
static int addresses_of(const struct model *model, struct own_addresses *known)
{
	size_t room = 1;

	for (size_t i = 0; i < model->pool_count; i++)
		room += model->pools[i]->count;
	known->list = calloc(room, sizeof(*known->list));
	if (!known->list)
		return -ENOMEM;
	for (size_t i = 0; i < model->pool_count; i++)
		for (size_t j = 0; j < model->pools[i]->count; j++)
			known->list[known->count++] = model->pools[i]->backends[j]->endpoint.addr;
	own_addresses_sort(known);
	return 0;
}

static bool is_served_at(void *arg, const struct lb_endpoint *listen)
{
	const struct model *model = arg;
	struct lb_service known;

	return datapath_get_service(model->dp, listen, &known) != -ENOENT;
}

/* One that was there before stays, whoever has come to its address since. */
static bool was_known(void *arg, const struct lb_endpoint *endpoint)
{
	const struct model *model = arg;
	struct lb_backend_id known;

	if (model->conf)
		return pool_find_backend(model, NULL, endpoint);
	return datapath_served_on(model->dp) &&
	       datapath_get_backend_id(model->dp, endpoint, &known) != -ENOENT;
}

static void warn_line(void *arg, const char *line)
{
	(void)arg;
	log_warning("%s; its workers do not start until that is mended", line);
}

static const struct launch_warn in_log = {.tell = warn_line};

static bool starts_workers(const struct pool *known, const struct conf_pool *pool)
{
	return pool->worker &&
	       (!known || !known->conf->worker || difference_restarts(known->conf, pool));
}

static bool begins_check(const struct pool *known, const struct conf_pool *pool)
{
	const struct conf_health *now = &pool->health, *was = known ? &known->conf->health : NULL;

	return now->kind == HEALTH_EXEC &&
	       (!was || was->kind != HEALTH_EXEC || strcmp(was->command, now->command));
}

/* Of pools whose workers would be started by it: that is when it would show. */
static int check_programs_and_logs(const struct model *model, const struct conf *conf,
				   struct error *error)
{
	int err = 0;

	for (size_t i = 0; i < conf->pool_count && model->conf && !err; i++) {
		const struct conf_pool *pool = &conf->pools[i];
		const struct pool *known = pool_find(model, pool->name);

		if (starts_workers(known, pool))
			err = launch_check(pool, conf->log_directory, &in_log, error);
		else if (begins_check(known, pool))
			err = launch_check_health(pool, &in_log, error);
	}
	return err;
}

/* One that was served before lbd died may have gone since: that is no reason for all others to stay away. */
static int check_addresses(const struct model *model, struct own_addresses *known,
			   const struct conf_pool *pool, struct error *error)
{
	int err = own_addresses_check(known, pool, error);

	if (err != -EADDRNOTAVAIL || model->conf || !datapath_adopted(model->dp))
		return err;
	log_error("%s; the pool's others serve on, and lbd goes on with what was in force",
		  error->text);
	return 0;
}

int reconcile_check(const struct model *model, const struct conf *conf, struct error *error)
{
	struct own_addresses known = {0};
	int err = addresses_of(model, &known);

	if (err)
		return error_set(error, err, "out of memory");
	for (size_t i = 0; i < conf->pool_count && !err; i++)
		err = check_addresses(model, &known, &conf->pools[i], error);
	free(known.list);
	if (!err)
		err = check_programs_and_logs(model, conf, error);
	if (!err)
		err = service_clash_backends(conf, datapath_instance(model->dp), was_known,
					     (void *)model, error);
	if (err)
		return err;
	return service_clash_check(conf, datapath_instance(model->dp), is_served_at, (void *)model,
				   error);
}

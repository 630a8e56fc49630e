/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "apply.h"

struct stale_service {
	struct model *model;
	struct lb_endpoint *keys;
	size_t count;
};

static bool listens_on(const struct model *model, const struct lb_endpoint *key)
{
	for (size_t i = 0; i < model->service_count; i++) {
		const struct conf_service *conf = model->services[i]->conf;

		for (size_t j = 0; j < conf->listen_count; j++)
			if (!memcmp(&conf->listens[j], key, sizeof(*key)))
				return true;
	}
	return false;
}

static void collect_stale_service(void *arg, const struct lb_endpoint *key,
				  const struct lb_service *value)
{
	struct stale_service *stale = arg;

	(void)value;
	if (stale->count < LB_MAX_LISTENS && !listens_on(stale->model, key))
		stale->keys[stale->count++] = *key;
}

static void remove_stale_services(struct model *model)
{
	struct stale_service stale = {.model = model};

	stale.keys = calloc(LB_MAX_LISTENS, sizeof(*stale.keys));
	if (!stale.keys)
		return;
	datapath_each_service(model->dp, collect_stale_service, &stale);
	for (size_t i = 0; i < stale.count; i++)
		datapath_set_service(model->dp, &stale.keys[i], NULL);
	free(stale.keys);
}

static struct lb_acl_key acl_key(const struct service *service, const struct conf_acl *rule)
{
	return (struct lb_acl_key){
		.prefix_bits = 32 + rule->prefix_bits,
		.service = service->id,
		.addr = rule->addr,
	};
}

struct stale_acl {
	struct model *model;
	struct lb_acl_key *keys;
	size_t count;
};

static bool has_rule(const struct model *model, const struct lb_acl_key *key)
{
	for (size_t i = 0; i < model->service_count; i++) {
		const struct service *service = model->services[i];

		if (service->id != key->service)
			continue;
		for (size_t j = 0; j < service->conf->acl_count; j++) {
			struct lb_acl_key rule = acl_key(service, &service->conf->acl[j]);

			if (!memcmp(&rule, key, sizeof(rule)))
				return true;
		}
	}
	return false;
}

static void collect_stale_acl(void *arg, const struct lb_acl_key *key, int verdict)
{
	struct stale_acl *stale = arg;

	(void)verdict;
	if (stale->count < LB_MAX_ACL && !has_rule(stale->model, key))
		stale->keys[stale->count++] = *key;
}

static void remove_stale_acls(struct model *model)
{
	struct stale_acl stale = {.model = model};

	stale.keys = calloc(LB_MAX_ACL, sizeof(*stale.keys));
	if (!stale.keys)
		return;
	datapath_each_acl(model->dp, collect_stale_acl, &stale);
	for (size_t i = 0; i < stale.count; i++)
		datapath_set_acl(model->dp, &stale.keys[i], -1);
	free(stale.keys);
}

static int publish_service(struct model *model, const struct service *service)
{
	const struct conf_service *conf = service->conf;
	struct lb_service value = {
		.id = service->id,
		.pool = service->pool->id,
		.flags = (conf->acl_count ? LB_SERVICE_ACL : 0) |
			 (conf->default_deny ? LB_SERVICE_DEFAULT_DENY : 0),
	};
	int err = 0;

	/* Rules before the service that asks for them. */
	for (size_t i = 0; i < conf->acl_count && !err; i++) {
		struct lb_acl_key key = acl_key(service, &conf->acl[i]);

		err = datapath_set_acl(model->dp, &key,
				       conf->acl[i].allow ? LB_ACL_ALLOW : LB_ACL_DENY);
	}
	for (size_t i = 0; i < conf->listen_count && !err; i++) {
		struct lb_service known;

		if (!datapath_get_service(model->dp, &conf->listens[i], &known) &&
		    !memcmp(&known, &value, sizeof(value)))
			continue;
		err = datapath_set_service(model->dp, &conf->listens[i], &value);
	}
	return err;
}

int apply_services(struct model *model)
{
	int err = 0;

	for (size_t i = 0; i < model->service_count && !err; i++)
		err = publish_service(model, model->services[i]);
	remove_stale_services(model);
	remove_stale_acls(model);
	return err;
}

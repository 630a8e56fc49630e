/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply.h"

/* What is to be in the kernel side, and what is there beside it. */
struct wanted {
	struct model *model;
	struct service *const *services;
	size_t count;
	struct lb_endpoint *listens;
	size_t listen_count;
	struct lb_acl_key *rules;
	size_t rule_count;
};

static bool listens_on(const struct wanted *wanted, const struct lb_endpoint *key)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct conf_service *conf = wanted->services[i]->conf;

		for (size_t j = 0; j < conf->listen_count; j++)
			if (!memcmp(&conf->listens[j], key, sizeof(*key)))
				return true;
	}
	return false;
}

static void collect_stale_service(void *arg, const struct lb_endpoint *key,
				  const struct lb_service *value)
{
	struct wanted *wanted = arg;

	(void)value;
	if (wanted->listen_count < LB_MAX_LISTENS && !listens_on(wanted, key))
		wanted->listens[wanted->listen_count++] = *key;
}

static int remove_stale_services(struct wanted *wanted)
{
	int err = datapath_each_service(wanted->model->dp, collect_stale_service, wanted);

	for (size_t i = 0; i < wanted->listen_count && !err; i++)
		err = datapath_set_service(wanted->model->dp, &wanted->listens[i], NULL);
	return err;
}

static struct lb_acl_key acl_key(const struct service *service, const struct conf_acl *rule)
{
	return (struct lb_acl_key){
		.prefix_bits = 32 + rule->prefix_bits,
		.service = service->id,
		.addr = rule->addr,
	};
}

static bool has_rule(const struct wanted *wanted, const struct lb_acl_key *key)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct service *service = wanted->services[i];

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
	struct wanted *wanted = arg;

	(void)verdict;
	if (wanted->rule_count < LB_MAX_ACL && !has_rule(wanted, key))
		wanted->rules[wanted->rule_count++] = *key;
}

static int remove_stale_acls(struct wanted *wanted)
{
	int err = datapath_each_acl(wanted->model->dp, collect_stale_acl, wanted);

	for (size_t i = 0; i < wanted->rule_count && !err; i++)
		err = datapath_set_acl(wanted->model->dp, &wanted->rules[i], -1);
	return err;
}

static int publish_service(struct model *model, const struct service *service)
{
	const struct conf_service *conf = service->conf;
	struct lb_service value = {
		.id = service->id,
		.pool = service->pool->id,
		/* `deny all` alone is no rule of `acl`, and is one all the same. */
		.flags = conf->default_deny ? LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY
			 : conf->acl_count  ? LB_SERVICE_ACL
					    : 0,
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

static int publish(struct wanted *wanted)
{
	int err = 0;

	for (size_t i = 0; i < wanted->count && !err; i++)
		err = publish_service(wanted->model, wanted->services[i]);
	return err;
}

static int remove_stale(struct wanted *wanted)
{
	int err;

	wanted->listen_count = wanted->rule_count = 0;
	err = remove_stale_services(wanted);
	return err ? err : remove_stale_acls(wanted);
}

int apply_services(struct model *model, struct service *const *services, size_t count)
{
	struct wanted wanted = {.model = model, .services = services, .count = count};
	int err = -ENOMEM;

	wanted.listens = calloc(LB_MAX_LISTENS, sizeof(*wanted.listens));
	wanted.rules = calloc(LB_MAX_ACL, sizeof(*wanted.rules));
	if (!wanted.listens || !wanted.rules)
		goto out;
	err = publish(&wanted);
	/* The maps hold no more than is allowed: those that go may have to make room. */
	if (err == -E2BIG || err == -ENOSPC) {
		err = remove_stale(&wanted);
		if (!err)
			err = publish(&wanted);
	}
	if (!err)
		err = remove_stale(&wanted);
out:
	free(wanted.listens);
	free(wanted.rules);
	return err;
}

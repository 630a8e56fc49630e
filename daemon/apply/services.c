/* SPDX-License-Identifier: Apache-2.0 */
#include "apply/services.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "datapath/datapath.h"

/* What is to be in the kernel side, sorted, and what is there beside it. */
struct wanted {
	struct model *model;
	struct service *const *services;
	size_t count;
	struct lb_endpoint *listens, *stale_listens;
	size_t listen_count, stale_listen_count;
	struct lb_acl_key *rules, *stale_rules;
	size_t rule_count, stale_rule_count;
};

static int by_listen(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_endpoint));
}

static int by_rule(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_acl_key));
}

static struct lb_acl_key acl_key(const struct service *service, const struct conf_acl *rule)
{
	return (struct lb_acl_key){
		.prefix_bits = 32 + rule->prefix_bits,
		.service = service->id,
		.addr = rule->addr,
	};
}

static struct lb_service service_value(const struct service *service)
{
	const struct conf_service *conf = service->conf;

	return (struct lb_service){
		.id = service->id,
		.pool = service->pool->id,
		/* `deny all` alone is no rule of `acl`, and is one all the same. */
		.flags = conf->default_deny ? LB_SERVICE_ACL | LB_SERVICE_DEFAULT_DENY
			 : conf->acl_count  ? LB_SERVICE_ACL
					    : 0,
	};
}

static void wanted_free(struct wanted *wanted)
{
	free(wanted->listens);
	free(wanted->stale_listens);
	free(wanted->rules);
	free(wanted->stale_rules);
}

static int wanted_alloc(struct wanted *wanted)
{
	size_t listens = 1, rules = 1;

	for (size_t i = 0; i < wanted->count; i++) {
		listens += wanted->services[i]->conf->listen_count;
		rules += wanted->services[i]->conf->acl_count;
	}
	wanted->listens = calloc(listens, sizeof(*wanted->listens));
	wanted->rules = calloc(rules, sizeof(*wanted->rules));
	wanted->stale_listens = calloc(LB_MAX_LISTENS, sizeof(*wanted->stale_listens));
	wanted->stale_rules = calloc(LB_MAX_ACL, sizeof(*wanted->stale_rules));
	return wanted->listens && wanted->rules && wanted->stale_listens && wanted->stale_rules
		       ? 0
		       : -ENOMEM;
}

static void wanted_fill(struct wanted *wanted)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct service *service = wanted->services[i];

		for (size_t j = 0; j < service->conf->listen_count; j++)
			wanted->listens[wanted->listen_count++] = service->conf->listens[j];
		for (size_t j = 0; j < service->conf->acl_count; j++)
			wanted->rules[wanted->rule_count++] =
				acl_key(service, &service->conf->acl[j]);
	}
	qsort(wanted->listens, wanted->listen_count, sizeof(*wanted->listens), by_listen);
	qsort(wanted->rules, wanted->rule_count, sizeof(*wanted->rules), by_rule);
}

static uint64_t digest_add(uint64_t digest, const void *bytes, size_t length)
{
	const uint64_t both[2] = {digest, hash_bytes(bytes, length)};

	return hash_bytes(both, sizeof(both));
}

/* Of all that the services are in the kernel side; never 0. */
static uint64_t digest_of(struct service *const *services, size_t count)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < count; i++) {
		const struct conf_service *conf = services[i]->conf;
		struct lb_service value = service_value(services[i]);

		digest = digest_add(digest, &value, sizeof(value));
		digest = digest_add(digest, conf->listens,
				    conf->listen_count * sizeof(*conf->listens));
		for (size_t j = 0; j < conf->acl_count; j++) {
			struct lb_acl_key key = acl_key(services[i], &conf->acl[j]);

			digest = digest_add(digest, &key, sizeof(key)) + conf->acl[j].allow;
		}
	}
	return digest | 1;
}

static void collect_stale_service(void *arg, const struct lb_endpoint *key,
				  const struct lb_service *value)
{
	struct wanted *wanted = arg;

	(void)value;
	if (wanted->stale_listen_count < LB_MAX_LISTENS &&
	    !bsearch(key, wanted->listens, wanted->listen_count, sizeof(*key), by_listen))
		wanted->stale_listens[wanted->stale_listen_count++] = *key;
}

static int remove_stale_services(struct wanted *wanted)
{
	int err = datapath_each_service(wanted->model->dp, collect_stale_service, wanted);

	for (size_t i = 0; i < wanted->stale_listen_count && !err; i++)
		err = datapath_set_service(wanted->model->dp, &wanted->stale_listens[i], NULL);
	return err;
}

static void collect_stale_acl(void *arg, const struct lb_acl_key *key, int verdict)
{
	struct wanted *wanted = arg;

	(void)verdict;
	if (wanted->stale_rule_count < LB_MAX_ACL &&
	    !bsearch(key, wanted->rules, wanted->rule_count, sizeof(*key), by_rule))
		wanted->stale_rules[wanted->stale_rule_count++] = *key;
}

static int remove_stale_acls(struct wanted *wanted)
{
	int err = datapath_each_acl(wanted->model->dp, collect_stale_acl, wanted);

	for (size_t i = 0; i < wanted->stale_rule_count && !err; i++)
		err = datapath_set_acl(wanted->model->dp, &wanted->stale_rules[i], -1);
	return err;
}

static int publish_service(struct model *model, struct service *service)
{
	const struct conf_service *conf = service->conf;
	struct lb_service value = service_value(service);
	int err = service->is_new ? datapath_clear_service_count(model->dp, service->id) : 0;

	if (!err)
		service->is_new = false;

	/* Rules before the service that asks for them. */
	for (size_t i = 0; i < conf->acl_count && !err; i++) {
		struct lb_acl_key key = acl_key(service, &conf->acl[i]);

		err = datapath_set_acl(model->dp, &key,
				       conf->acl[i].allow ? LB_ACL_ALLOW : LB_ACL_DENY);
	}
	for (size_t i = 0; i < conf->listen_count && !err; i++)
		err = datapath_set_service(model->dp, &conf->listens[i], &value);
	return err;
}

static int publish_wanted(struct wanted *wanted)
{
	int err = 0;

	for (size_t i = 0; i < wanted->count && !err; i++)
		err = publish_service(wanted->model, wanted->services[i]);
	return err;
}

static int remove_stale(struct wanted *wanted)
{
	int err;

	wanted->stale_listen_count = wanted->stale_rule_count = 0;
	err = remove_stale_services(wanted);
	return err ? err : remove_stale_acls(wanted);
}

static int apply_wanted(struct wanted *wanted)
{
	int err = publish_wanted(wanted);

	/* The maps hold no more than is allowed: those that go may have to make room. */
	if (err == -E2BIG || err == -ENOSPC) {
		err = remove_stale(wanted);
		if (!err)
			err = publish_wanted(wanted);
	}
	return err ? err : remove_stale(wanted);
}

/* Nobody else writes there: what was written last need not be looked at. */
int apply_services(struct model *model, struct service *const *services, size_t count)
{
	struct wanted wanted = {.model = model, .services = services, .count = count};
	uint64_t digest = digest_of(services, count);
	int err;

	if (digest == model->services_digest)
		return 0;
	model->services_digest = 0;
	err = wanted_alloc(&wanted);
	if (!err) {
		wanted_fill(&wanted);
		err = apply_wanted(&wanted);
	}
	if (!err)
		model->services_digest = digest;
	wanted_free(&wanted);
	return err;
}

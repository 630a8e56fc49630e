/* SPDX-License-Identifier: Apache-2.0 */
/* A block `service NAME { }`: where it listens, and whom it admits. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "conf/private.h"

#define TOGETHER ", in all services together"

enum { V4_BITS = 96 };

struct service_draft {
	struct conf_service service;
	const char *pool;
	const struct block *allow_all, *deny_all; /* `all` written; NULL: not */
	bool allows;                              /* any allow */
	bool v4_inside;                           /* an IPv6 prefix that contains ::ffff:0:0/96 */
};

static int set_listen(void *target, const struct conf_directive *row, const struct block *at,
		      struct error *error)
{
	static const struct conf_most most = {LB_MAX_LISTENS, "addresses", TOGETHER};
	struct conf_service *service = &((struct service_draft *)target)->service;
	struct lb_endpoint *listen;
	struct error inner;
	int code = conf_room(at, (void **)&service->listens, service->listen_count, sizeof(*listen),
			     &most, error);

	if (code)
		return code;
	listen = &service->listens[service->listen_count];
	service->listen_count++;
	if (addr_parse_endpoint(at->words[1], listen, &inner))
		return block_error(at, error, -EINVAL, "%s: %s", row->name, inner.text);
	return 0;
}

static int set_pool_name(void *target, const struct conf_directive *row, const struct block *at,
			 struct error *error)
{
	(void)row;
	(void)error;
	((struct service_draft *)target)->pool = at->words[1];
	return 0;
}

static int add_rule(struct conf_service *service, const struct block *at,
		    const struct conf_acl *rule, struct error *error)
{
	static const struct conf_most most = {LB_MAX_ACL, "access rules", TOGETHER};
	int code = conf_room(at, (void **)&service->acl, service->acl_count, sizeof(*rule), &most,
			     error);

	if (!code)
		service->acl[service->acl_count++] = *rule;
	return code;
}

static int refuse_both(const struct block *at, const char *prefix, struct error *error)
{
	return block_error(at, error, -EINVAL,
			   "%s: found a second rule for %.60s; one allow or deny is allowed for "
			   "each prefix",
			   at->words[0], prefix);
}

static int set_all(struct service_draft *draft, const struct block *at, bool allow,
		   struct error *error)
{
	if (draft->allow_all || draft->deny_all)
		return refuse_both(at, "all", error);
	if (allow)
		draft->allow_all = at;
	else
		draft->deny_all = at;
	return 0;
}

static int set_rule(void *target, const struct conf_directive *row, const struct block *at,
		    struct error *error)
{
	struct service_draft *draft = target;
	struct conf_acl rule = {.allow = strcmp(row->name, "allow") == 0};
	struct error inner;

	if (strcmp(at->words[1], "all") == 0)
		return set_all(draft, at, rule.allow, error);
	if (addr_parse_prefix(at->words[1], &rule.addr, &rule.prefix_bits, &inner))
		return block_error(at, error, -EINVAL, "%s: %s", row->name, inner.text);
	draft->allows |= rule.allow;
	/* ::/0 to ::/80 is written of IPv6, and must not decide about mapped IPv4 addresses. */
	draft->v4_inside |= rule.prefix_bits < V4_BITS && addr_is_any(&rule.addr);
	return add_rule(&draft->service, at, &rule, error);
}

const struct conf_directive conf_service_table[] = {
	{"listen", "listen ADDRESS:PORT;", 1, 1, .set = set_listen, .repeat = true},
	{"pool", "pool NAME;", 1, 1, .set = set_pool_name},
	{"allow", "allow PREFIX|all;", 1, 1, .set = set_rule, .repeat = true},
	{"deny", "deny PREFIX|all;", 1, 1, .set = set_rule, .repeat = true},
	{.name = NULL},
};

static int compare_rules(const void *a, const void *b)
{
	const struct conf_acl *x = a, *y = b;
	int order = memcmp(&x->addr, &y->addr, sizeof(x->addr));

	if (order)
		return order;
	return (x->prefix_bits > y->prefix_bits) - (x->prefix_bits < y->prefix_bits);
}

/* Most specific wins, so their order does not matter: sorted, to see equal ones. */
static int check_rules(struct conf_service *service, struct error *error)
{
	char text[ADDR_TEXT_BYTES];

	if (service->acl_count > 0)
		qsort(service->acl, service->acl_count, sizeof(*service->acl), compare_rules);
	for (size_t i = 1; i < service->acl_count; i++)
		if (compare_rules(&service->acl[i - 1], &service->acl[i]) == 0)
			return block_error(service->at, error, -EINVAL,
					   "service %s: found two rules for %s/%u; one allow or "
					   "deny is allowed for each prefix",
					   service->name, addr_format(&service->acl[i].addr, text),
					   service->acl[i].prefix_bits -
						   (addr_is_v4(&service->acl[i].addr) ? V4_BITS
										      : 0));
	return 0;
}

static bool has_all_of_v4(const struct conf_service *service)
{
	for (size_t i = 0; i < service->acl_count; i++)
		if (service->acl[i].prefix_bits == V4_BITS && addr_is_v4(&service->acl[i].addr))
			return true;
	return false;
}

static int settle_service(struct service_draft *draft, struct error *error)
{
	struct conf_service *service = &draft->service;
	struct conf_acl v4 = {.prefix_bits = V4_BITS};
	int code;

	if (service->listen_count == 0)
		return block_error(service->at, error, -EINVAL,
				   "service %s: found no listen; write listen 0.0.0.0:80;",
				   service->name);
	service->default_deny = draft->deny_all || (draft->allows && !draft->allow_all);
	code = check_rules(service, error);
	if (code || !draft->v4_inside || has_all_of_v4(service))
		return code;
	addr_any(false, &v4.addr);
	v4.allow = !service->default_deny;
	return add_rule(service, service->at, &v4, error);
}

int conf_service_build(const struct block *at, struct conf_service *service, const char **pool,
		       struct error *error)
{
	struct service_draft draft = {.service = {.at = at}};
	int code = conf_walk_named(at, &draft.service.name, "service", conf_service_table, &draft,
				   error);

	if (!code)
		code = settle_service(&draft, error);
	if (code)
		conf_service_clear(&draft.service);
	*service = draft.service;
	*pool = draft.pool ? draft.pool : service->name;
	return code;
}

void conf_service_clear(struct conf_service *service)
{
	free(service->name);
	free(service->listens);
	free(service->acl);
	*service = (struct conf_service){0};
}

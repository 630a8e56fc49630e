/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/served.h"

#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/log.h"
#include "reconcile/nobody.h"

enum { NAMES_BYTES = 300 };

void served_warn(struct call *call, const struct pool *pool, bool was_so)
{
	if (was_so || !pool || !nobody_serves(pool))
		return;
	log_warning("pool %s: nobody serves it now, by command: clients are refused", pool->name);
	control_progress(call->request,
			 "warning: pool %s: NOBODY SERVES it now: its clients are refused, until "
			 "a backend is up (`lbctl pool %s`)",
			 pool->name, pool->name);
}

static bool has_name(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (!strcmp(json_string_value(json_array_get(names, i)), name))
			return true;
	return false;
}

/* One that is empty is warned of by its configuration already, see conf_warn_served(). */
void served_warn_new(struct call *call, const json_t *before)
{
	const struct model *model = &call->lbd->model;

	for (size_t i = 0; i < model->pool_count; i++)
		if (model->pools[i]->count && !has_name(before, model->pools[i]->name))
			served_warn(call, model->pools[i], false);
}

/* "web, api", as many as have room. */
static void list_pools(const struct model *model, const char *but, char text[NAMES_BYTES])
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < model->pool_count; i++) {
		const char *name = model->pools[i]->name;

		if (!strcmp(name, but))
			continue;
		if (used + strlen(name) + sizeof(", , ...") > NAMES_BYTES) {
			snprintf(text + used, NAMES_BYTES - used, ", ...");
			return;
		}
		used += (size_t)snprintf(text + used, NAMES_BYTES - used, "%s%s", used ? ", " : "",
					 name);
	}
}

void served_warn_pool(struct call *call, const char *name)
{
	const struct model *model = &call->lbd->model;
	char others[NAMES_BYTES];

	for (size_t i = 0; i < model->service_count; i++)
		if (!strcmp(model->services[i]->pool->name, name))
			return;
	list_pools(model, name, others);
	control_progress(call->request,
			 "warning: pool %s is new, and no service names it: no client comes to it "
			 "(`lbctl service add NAME tcp ADDR:PORT pool %s`)%s%s%s%s%s",
			 name, name, *others ? "; the pools before: " : "", others,
			 *others ? "; if one of them was meant: `lbctl pool remove " : "",
			 *others ? name : "", *others ? "`" : "");
}

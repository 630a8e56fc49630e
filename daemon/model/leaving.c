/* SPDX-License-Identifier: Apache-2.0 */
#include "model/leaving.h"

#include <string.h>

#include "host/net/match.h"
#include "model/model.h"

/* Wherever its listener may be, see listeners_match(). */
static bool holds_listener(const struct backend *at, const struct backend *backend)
{
	return at != backend && at->worker &&
	       (listeners_match(&at->endpoint, &backend->endpoint) ||
		!strcmp(at->name, backend->name));
}

struct backend *leaving_holder(const struct backend *backend)
{
	for (struct backend *at = backend->model->leaving; at; at = at->next)
		if (holds_listener(at, backend))
			return at;
	return NULL;
}

static bool will_hold(const struct backend *at, const struct backend *backend)
{
	return !at->kept && holds_listener(at, backend) && state_has_process(at->state);
}

bool leaving_will_hold(const struct backend *backend)
{
	const struct model *model = backend->model;

	for (const struct backend *at = model->leaving; at; at = at->next)
		if (will_hold(at, backend))
			return true;
	for (size_t i = 0; i < model->pool_count; i++)
		for (size_t j = 0; j < model->pools[i]->count; j++)
			if (will_hold(model->pools[i]->backends[j], backend))
				return true;
	return false;
}

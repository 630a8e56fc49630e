/* SPDX-License-Identifier: Apache-2.0 */
#include "verbs/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void collect_target(void *arg, struct backend *backend)
{
	struct targets *targets = arg;

	targets->list[targets->count++] = backend;
}

struct targets *targets_of(struct call *call)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (!targets) {
		error_set(&call->error, -ENOMEM, "out of memory");
		return NULL;
	}
	if (pool_each_target(&call->lbd->model, call_word(call, "name", ""), collect_target,
			     targets, &call->error) < 0) {
		free(targets);
		return NULL;
	}
	return targets;
}

int targets_drop_leavers(struct call *call, struct targets *targets)
{
	size_t kept = 0;

	for (size_t i = 0; i < targets->count; i++)
		if (targets->list[i]->goal != GOAL_LEAVE)
			targets->list[kept++] = targets->list[i];
	targets->count = kept;
	return kept ? 0
		    : error_set(&call->error, -EPERM,
				"%s: leaves: it has gone from the configuration; to keep it, write "
				"it "
				"there again and `lbctl reload`",
				call_word(call, "name", ""));
}

/* One that leaves and its successor, which waits for its end, have one name and the former's process. */
static bool have_one_name(const struct targets *targets)
{
	for (size_t i = 1; i < targets->count; i++)
		if (strcmp(targets->list[i]->name, targets->list[0]->name))
			return false;
	return true;
}

struct backend *targets_only(struct call *call)
{
	struct targets *targets = targets_of(call);
	struct backend *backend = NULL;

	if (targets && have_one_name(targets))
		backend = targets->list[targets->count - 1];
	else if (targets)
		error_set(&call->error, -EINVAL, "%s: name one worker, as POOL:PORT",
			  call_word(call, "name", ""));
	free(targets);
	return backend;
}

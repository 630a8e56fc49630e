/* SPDX-License-Identifier: Apache-2.0 */
/* `save`, and what of the present state no configuration has a word for. */
#include <stdio.h>
#include <stdlib.h>

#include "lbd/save.h"
#include "model/turn.h"
#include "verbs/handlers.h"

enum { NAMED_MOST = 20 };

struct unsaved {
	FILE *out;
	size_t count;
};

static void add_unsaved(struct unsaved *unsaved, const char *kind, const char *name,
			const char *how)
{
	if (++unsaved->count <= NAMED_MOST)
		fprintf(unsaved->out, "%s%s%s %s", unsaved->count > 1 ? ", " : "", kind, name, how);
}

/* Of one that leaves nothing is kept, and what is to run is what a configuration says. */
static void add_worker(void *arg, struct backend *backend)
{
	char weight[32];

	if (!backend->worker || backend->goal == GOAL_LEAVE)
		return;
	if (backend->goal == GOAL_STOP)
		add_unsaved(arg, "", backend->name,
			    backend->kept_out ? "stopped and drained" : "stopped");
	else if (backend->kept_out)
		add_unsaved(arg, "", backend->name, "drained");
	if (backend->asked_weight) {
		snprintf(weight, sizeof(weight), "of weight %u", backend->asked_weight);
		add_unsaved(arg, "", backend->name, weight);
	}
}

static void list_unsaved(struct model *model, struct unsaved *unsaved)
{
	pool_each_backend(model, add_worker, unsaved);
	for (size_t i = 0; i < model->pool_count; i++)
		if (turn_is_rolling(model->pools[i]))
			add_unsaved(unsaved, "pool ", model->pools[i]->name,
				    "half-way through a roll");
	if (unsaved->count > NAMED_MOST)
		fprintf(unsaved->out, " and %zu more", unsaved->count - NAMED_MOST);
}

int verb_save(struct call *call)
{
	struct unsaved unsaved = {0};
	size_t size;
	char *text = NULL;
	int err = lbd_save(call->lbd, &call->error);

	if (err)
		return err;
	unsaved.out = open_memstream(&text, &size);
	if (unsaved.out) {
		list_unsaved(&call->lbd->model, &unsaved);
		fclose(unsaved.out);
	}
	control_message(
		call->request, "saved to %s%s%s", call->lbd->conf_path,
		unsaved.count ? "; not in it, but kept until the host starts anew or it is undone: "
			      : "",
		unsaved.count && text ? text : "");
	free(text);
	return 0;
}

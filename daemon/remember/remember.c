/* SPDX-License-Identifier: Apache-2.0 */
#include "remember/remember.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "datapath/datapath.h"
#include "remember/file.h"
#include "worker/worker.h"

void remember_now(struct model *model)
{
	struct error error;

	/* Should this end half-way, nobody has asked for these workers to be stopped: all are started again. */
	if (model->stopping)
		return;
	if (remember_file_write(model, &error))
		log_warning("%s", error.text);
}

static int write_now(sd_event_source *source, void *arg)
{
	(void)source;
	remember_now(arg);
	return 0;
}

void remember_later(struct model *model)
{
	if (!model->remember_source &&
	    sd_event_add_defer(model->event, &model->remember_source, write_now, model) < 0)
		return;
	sd_event_source_set_enabled(model->remember_source, SD_EVENT_ONESHOT);
}

void remember_settle(struct model *model)
{
	int pending = SD_EVENT_OFF;

	if (!model->remember_source ||
	    sd_event_source_get_enabled(model->remember_source, &pending) < 0 ||
	    pending == SD_EVENT_OFF)
		return;
	sd_event_source_set_enabled(model->remember_source, SD_EVENT_OFF);
	remember_now(model);
}

/* Its file is lost or torn.  Of a first start there is none. */
static bool is_unknown(int err)
{
	return err == -ENOENT || err == -EBADMSG;
}

int remember_read(struct model *model, uint64_t running_us, struct error *error)
{
	uint64_t written_us;
	int err = remember_file_read(model->host->run_dir, &model->remembered, &written_us, error);

	model->is_ahead = !err && written_us < running_us;
	if (!is_unknown(err))
		return err;
	if (err == -EBADMSG || datapath_adopted(model->dp))
		log_error("%s: what was drained, stopped or being rolled by command, and what had "
			  "exited or was given up, is not known any more: every backend is in "
			  "service, every worker is started and none is rolled, but for what the "
			  "configuration says; drain, stop and roll again what is to be so",
			  error->text);
	return 0;
}

int remember_check(const char *run_dir, struct error *error)
{
	struct remembered *list = NULL;
	uint64_t written_us;
	int err = remember_file_read(run_dir, &list, &written_us, error);

	remember_file_free(list);
	/* Who hands on writes it before it does, by what it knows. */
	return is_unknown(err) ? 0 : err;
}

void remember_forget(struct model *model)
{
	remember_file_free(model->remembered);
	model->remembered = NULL;
	model->is_ahead = false;
}

const struct remembered *remember_find(const struct backend *backend)
{
	bool leaves = backend->goal == GOAL_LEAVE;

	/* One that leaves and one that waits for its end may be of one name. */
	for (const struct remembered *at = backend->model->remembered; at; at = at->next)
		if ((at->goal == GOAL_LEAVE) == leaves && !strcmp(at->name, backend->name))
			return at;
	return NULL;
}

bool remember_stopping(const struct backend *backend)
{
	const struct remembered *known = remember_find(backend);

	return known && known->state == STATE_STOPPING;
}

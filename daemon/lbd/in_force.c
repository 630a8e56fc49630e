/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/in_force.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "control/control.h"
#include "host/net/outgoing.h"
#include "leave/record.h"
#include "model/turn.h"
#include "reconcile/reconcile.h"
#include "roll/recycle.h"
#include "roll/roll.h"
#include "settings/settings.h"

static void warn_in_log(void *arg, const char *line)
{
	(void)arg;
	log_warning("%s", line);
}

const struct launch_warn lbd_warn_in_log = {.tell = warn_in_log};

int lbd_read_conf(const struct lbd *lbd, struct conf **conf, struct error *error)
{
	bool is_start = !lbd->model.conf;
	int err = (is_start ? conf_read_to_start : conf_read)(lbd->conf_path, conf, error);
	struct block *root;

	if (err != -ENOENT || lbd->conf_named || !is_start)
		return err;
	err = block_parse(lbd->conf_path, "", 0, &root, error);
	if (err)
		return err;
	err = conf_build(root, conf, error);
	if (err)
		block_free(root);
	return err;
}

/* What is of lbd's own process; all of it or nothing. */
static int change_settings(struct lbd *lbd, const struct conf *to, struct error *error)
{
	const struct control_access before = control_get_access(lbd->control);
	struct control_access access;
	struct error ignored;
	int err = control_find_access(to->control_mode, to->control_user, to->control_group,
				      &access, error);

	if (!err)
		err = control_set_access(lbd->control, &access, error);
	if (err)
		return err;
	err = settings_change(lbd->model.conf, to, lbd->instance, lbd->foreground, error);
	if (err)
		control_set_access(lbd->control, &before, &ignored);
	return err;
}

/* NULL: no memory to say so. */
static char *list_rolls(const struct model *model)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	for (size_t i = 0; i < model->pool_count; i++)
		if (turn_is_rolling(model->pools[i]))
			fprintf(out, "%s ", model->pools[i]->name);
	fclose(out);
	return text;
}

int lbd_publish_running(struct lbd *lbd, struct error *error)
{
	char *rolls = list_rolls(&lbd->model);
	struct running running = {.origin = lbd->running.origin,
				  .is_saved_half = lbd->running.is_saved_half,
				  .rolls = rolls};
	int err = running_write(lbd->run_dir, &running, lbd->model.conf->root, error);

	free(rolls);
	return err;
}

void lbd_write_running(struct lbd *lbd)
{
	struct error error;

	if (lbd_publish_running(lbd, &error))
		log_warning("%s; changes by lbctl would not outlive lbd's death", error.text);
	else
		leave_record_sweep(&lbd->model);
}

static int apply_settings(struct lbd *lbd, const struct conf *conf, enum lbd_occasion why,
			  struct error *error)
{
	switch (why) {
	case LBD_STARTS:
	case LBD_GOES_ON:
		return settings_write_pid(conf, lbd->instance, lbd->foreground, why == LBD_GOES_ON,
					  error);
	case LBD_RELOADS:
		return change_settings(lbd, conf, error);
	default:
		return 0;
	}
}

/* All that can fail comes before the model is changed. */
int lbd_apply_conf(struct lbd *lbd, struct conf *conf, enum lbd_occasion why, struct error *error)
{
	struct plan *plan;
	int err;

	outgoing_refresh(lbd->model.outgoing);
	err = reconcile_begin(&lbd->model, conf, &plan, error);
	if (err)
		return err;
	err = apply_settings(lbd, conf, why, error);
	if (err) {
		reconcile_cancel(plan);
		return err;
	}
	reconcile_commit(plan, why == LBD_RELOADS);
	recycle_watch(&lbd->model);
	return 0;
}

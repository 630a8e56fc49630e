/* SPDX-License-Identifier: Apache-2.0 */
#include "start/start.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "backend/backend.h"
#include "base/log.h"
#include "base/shortage.h"
#include "check/accounts.h"
#include "check/held_up.h"
#include "check/served.h"
#include "check/words.h"
#include "control/control.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "datapath/locals.h"
#include "host/cgroup/cgroup.h"
#include "host/instance/instance.h"
#include "host/net/outgoing.h"
#include "keeper/keeper.h"
#include "keeper/kept_notify.h"
#include "keeper/process.h"
#include "lb/ctl.h"
#include "lbd/in_force.h"
#include "lbd/outdated.h"
#include "lbd/run_dir.h"
#include "leave/leave.h"
#include "listeners/listeners.h"
#include "output/output.h"
#include "reconcile/stale.h"
#include "remember/remember.h"
#include "roll/roll.h"
#include "settings/settings.h"
#include "start/first_conf.h"

enum { CONTROL_TRIES = 10 };

static int open_world(struct lbd *lbd, struct error *error)
{
	char *cgroup = NULL;
	int err = datapath_open(lbd->instance, &lbd->dp, error);

	if (err)
		return err;
	if (cgroup_find(lbd->instance, &cgroup, error) || datapath_guard(lbd->dp, cgroup, error))
		log_warning("%s", error->text);
	lbd->host.cgroup = cgroup;
	err = locals_new(lbd->event, lbd->dp, &lbd->locals, error);
	return err ? err : interfaces_new(lbd->event, lbd->dp, &lbd->interfaces, error);
}

/* The directory may have been deleted since it was made, and be deleted again. */
static int open_control(struct lbd *lbd, struct verbs *verbs, const struct conf *conf,
			struct error *error)
{
	struct control_access access;
	struct error unknown; /* has been said: conf_accounts_warn() */
	char path[128];
	int err = -ENOENT;

	snprintf(path, sizeof(path), "%s/%s", lbd->run_dir, LB_CTL_SOCKET);
	control_find_access(conf->control_mode, conf->control_user, conf->control_group, &access,
			    &unknown);
	for (int i = 0; i < CONTROL_TRIES && err == -ENOENT; i++) {
		err = instance_make(lbd->run_dir, error);
		if (!err)
			err = control_new(lbd->event, path, &access, verbs_handler(), verbs,
					  &lbd->control, error);
	}
	return err;
}

/*
 * From the keeper of an lbd that died, and to our own, which is there before a worker is, and stays if this fails:
 * the workers that run already write on.
 */
static int change_keeper(struct lbd *lbd, struct error *error)
{
	int err = keeper_end(lbd->instance, &lbd->host.given, error);
	struct error why;

	if (is_shortage(err))
		return err;
	if (err)
		log_warning("%s", error->text);
	if (keeper_start(lbd->event, lbd->instance, lbd->run_dir, &lbd->host.keeper, &why))
		log_warning("%s; without lbd, workers would stop once 1 MiB of their output is "
			    "unread, and what they say to their notify sockets would not be heard",
			    why.text);
	return 0;
}

static int take_over(struct lbd *lbd, struct conf *conf, bool in_force, struct error *error)
{
	struct output_hold *hold = output_hold(lbd->run_dir);
	int err = change_keeper(lbd, error);

	if (!err) {
		err = pool_find_pinned(&lbd->model);
		if (err)
			error_set(error, err, "cannot read the backends of an lbd before: %s",
				  strerror(-err));
	}
	if (!err) {
		leave_restore(&lbd->model);
		err = lbd_apply_conf(lbd, conf, in_force ? LBD_GOES_ON : LBD_STARTS, error);
	}
	if (!err)
		stale_remove(&lbd->model);
	output_release(hold);
	kept_notify_free(lbd->host.given);
	lbd->host.given = NULL;
	return err;
}

static void error_in_log(void *arg, const char *line)
{
	(void)arg;
	log_error("%s", line);
}

/* What is there to be acted on, and by which configuration. */
static int prepare_conf(struct lbd *lbd, struct conf **conf, bool *in_force, struct error *error)
{
	static const struct launch_warn loudly = {.tell = error_in_log};
	int err;

	stale_remove_files(lbd->run_dir);
	err = open_world(lbd, error);
	if (!err)
		err = first_conf(lbd, conf, in_force, error);
	if (err)
		return err;
	conf_accounts_warn(*conf, &loudly);
	conf_warn_held_up(*conf, &lbd_warn_in_log);
	conf_warn_words(*conf, &lbd_warn_in_log);
	conf_warn_served(*conf, &lbd_warn_in_log);
	err = settings_use(*conf, lbd->instance, lbd->foreground, *in_force, error);
	if (*in_force)
		err = first_conf_explain(lbd, err, error);
	/* The programs are loaded; from here on strangers are listened to. */
	return err ? err : first_conf_drop_privileges(lbd, *conf, error);
}

static void forget_rolls(struct lbd *lbd)
{
	free(lbd->running.rolls);
	lbd->running.rolls = NULL;
}

static int make_model(struct lbd *lbd, struct error *error)
{
	int err;

	lbd->model.outgoing = outgoing_new();
	if (!lbd->model.outgoing)
		return error_set(error, -ENOMEM, "out of memory");
	lbd->model.dp = lbd->dp;
	lbd->model.interfaces = lbd->interfaces;
	err = remember_read(&lbd->model, lbd->running.written_us, error);
	if (err)
		return err;
	if (!lbd->model.is_ahead)
		forget_rolls(lbd);
	backend_init(&lbd->model);
	err = apply_init(&lbd->model);
	if (!err)
		err = leave_init(&lbd->model);
	if (!err)
		err = listeners_watch(&lbd->model, &lbd->events);
	return err < 0 ? error_set(error, err, "event loop: %s", strerror(-err)) : 0;
}

/* Takes conf over where it succeeds. */
static int begin_with(struct lbd *lbd, struct verbs *verbs, struct conf *conf, bool in_force,
		      struct error *error)
{
	int err = make_model(lbd, error);

	if (!err)
		err = open_control(lbd, verbs, conf, error);
	if (err)
		return err;
	err = take_over(lbd, conf, in_force, error);
	return in_force ? first_conf_explain(lbd, err, error) : err;
}

static void go_on_rolling(struct lbd *lbd, bool in_force)
{
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_resume(lbd->model.pools[i]);
	if (in_force)
		outdated_roll_begun(lbd);
	else
		outdated_roll(lbd);
	forget_rolls(lbd);
}

int start_lbd(struct lbd *lbd, struct verbs *verbs, struct error *error)
{
	struct conf *conf = NULL;
	bool in_force = false;
	int err;

	log_hold();
	run_dir_watch(lbd);
	err = prepare_conf(lbd, &conf, &in_force, error);
	if (!err)
		err = begin_with(lbd, verbs, conf, in_force, error);
	if (err) {
		forget_rolls(lbd);
		conf_free(conf);
		return err;
	}
	go_on_rolling(lbd, in_force);
	remember_now(&lbd->model); /* first: where that is there and this is not, it was lost */
	lbd_write_running(lbd);    /* with what is rolled: `states` tells of it later */
	first_conf_look_at_file(lbd);
	return 0;
}

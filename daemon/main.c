/* SPDX-License-Identifier: Apache-2.0 */
/* The program lbd, from its words to its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/printable.h"
#include "check/warn.h"
#include "control/control.h"
#include "datapath/datapath.h"
#include "datapath/interfaces.h"
#include "datapath/locals.h"
#include "host/instance/instance.h"
#include "host/net/outgoing.h"
#include "host/process/program.h"
#include "host/spawn/orphans.h"
#include "host/spawn/reaper.h"
#include "keeper/keeper.h"
#include "keeper/process.h"
#include "keeper/protocol.h"
#include "keeping/output.h"
#include "lbd/reexec.h"
#include "lbd/run_dir.h"
#include "lbd/service_manager.h"
#include "lbd/stop.h"
#include "leave/leave.h"
#include "reconcile/reconcile.h"
#include "remember/remember.h"
#include "roll/roll.h"
#include "settings/settings.h"
#include "settings/start_check.h"
#include "start/background.h"
#include "start/options.h"
#include "start/signals.h"
#include "start/start.h"
#include "start/takeover.h"
#include "worker/record.h"
#include "worker/worker.h"

/* Words of a file that others may have written: a terminal shows them and does not obey. */
static void put_on_stderr(const char *head, const char *line)
{
	char text[ERROR_TEXT_BYTES];

	snprintf(text, sizeof(text), "%s", line);
	printable_line(text, strlen(text));
	fprintf(stderr, "lbd: %s%s\n", head, text);
}

static void warn_on_stderr(void *arg, const char *line)
{
	(void)arg;
	put_on_stderr("warning: ", line);
}

static void say_on_stderr(void *arg, const char *line)
{
	(void)arg;
	put_on_stderr("", line);
}

static int check_conf(const char *path, const char *instance)
{
	static const struct launch_warn warn = {.tell = warn_on_stderr, .refuse = say_on_stderr};
	struct error error;
	struct conf *conf;

	if (conf_read(path, &conf, &error)) {
		say_on_stderr(NULL, error.text);
		return 1;
	}
	if (!start_check(conf, &warn)) {
		conf_free(conf);
		return 1;
	}
	conf_warn(conf, instance, &warn);
	printf("%s: good: %zu services, %zu pools\n", path, conf->service_count, conf->pool_count);
	conf_free(conf);
	return 0;
}

static void state_changed(void *arg, struct backend *backend, enum state from, enum state to)
{
	struct verbs *verbs = arg;
	struct lbd *lbd = verbs->lbd;

	(void)from;
	roll_changed(backend, to);
	wait_changed(&verbs->waits, backend); /* looks at its turn, too */
	leave_changed(backend);
	remember_later(&lbd->model);
	if (lbd->model.stopping && !state_has_process(backend->state))
		lbd_stop_next(lbd);
}

static void backend_forgotten(void *arg, struct backend *backend)
{
	struct verbs *verbs = arg;

	wait_forget(&verbs->waits, backend);
}

/* What is left hinders no start: the next one removes it, or says why it cannot. */
static void remove_all(struct lbd *lbd)
{
	int err = datapath_destroy(lbd->dp);

	if (err)
		log_warning("pins in /sys/fs/bpf/lbd/%s cannot be removed: %s; the next start does "
			    "that, or `rm -r` it",
			    lbd->instance, strerror(-err));
	if (record_any(lbd->run_dir))
		return;
	err = instance_remove(lbd->run_dir, lbd->host.cgroup);
	if (err)
		log_warning(
			"%s, or its control groups, cannot be removed whole: %s; the next orderly "
			"stop does that, or `rm -r` it",
			lbd->run_dir, strerror(-err));
}

/*
 * After an orderly stop nothing is left; before a reexec or after a failed adoption all is.  The records
 * of workers that run stay in any case: without them nobody would ever end those.
 */
static void finish_lbd(struct lbd *lbd, bool keep)
{
	struct error error;

	reexec_end(lbd);
	run_dir_leave(lbd);
	service_manager_end();
	if (keep) {
		control_free(lbd->control);
		lbd->control = NULL;
	}
	control_close(lbd->control);
	interfaces_free(lbd->interfaces);
	locals_free(lbd->locals);
	if (!keep)
		settings_end(lbd->model.conf);
	reconcile_free(&lbd->model);
	running_forget(&lbd->running);
	keeper_free(lbd->host.keeper);
	if (!keep && keeper_end(lbd->instance, NULL, &error))
		log_warning("%s", error.text);
	reaper_end();
	outgoing_free(lbd->model.outgoing);
	sd_event_source_disable_unref(lbd->events);
	if (keep) {
		datapath_close(lbd->dp);
	} else {
		remove_all(lbd);
	}
	control_end(lbd->control, "stopped");
	free((char *)lbd->host.cgroup);
	sd_event_unref(lbd->event);
}

/* Not by anybody's will: nothing is stopped or detached, and the next lbd goes on. */
static int fail_loop(struct lbd *lbd, int err)
{
	log_error("event loop: %s; lbd ends, workers and connections go on without it: start it "
		  "again",
		  strerror(-err));
	finish_lbd(lbd, true);
	return 1;
}

/* Who connects meanwhile is answered by the next program. */
static int hand_over(struct lbd *lbd)
{
	int control;

	remember_now(&lbd->model);
	control = control_hand_on(lbd->control);
	lbd->control = NULL;
	finish_lbd(lbd, true);
	reexec_now(lbd, control);
	return 1;
}

/*
 * Who waits in the foreground prints it on the terminal, which the log may be, too; and so is it
 * on the standard error of one that stays there.
 */
static void tell_failure(const struct lbd *lbd, const char *text)
{
	bool is_apart = log_is_file();

	log_release();
	if (is_apart)
		log_error("%s", text);
	if (background_ready(text))
		return;
	if (!is_apart)
		log_error("%s", text);
	else if (!lbd->handed_on)
		say_on_stderr(NULL, text);
}

static int run_lbd(struct lbd *lbd, struct verbs *verbs)
{
	struct error error = {0};
	bool adopted;
	int err = start_lbd(lbd, verbs, &error);

	adopted = lbd->dp && datapath_adopted(lbd->dp);
	if (err) {
		tell_failure(lbd, error.text);
		finish_lbd(lbd, adopted);
		return 1;
	}
	log_info("ready");
	background_ready(NULL);
	service_manager_tell(lbd->event, "READY=1");
	err = sd_event_loop(lbd->event);
	if (err < 0)
		return fail_loop(lbd, err);
	if (lbd->reexec.agreed) {
		service_manager_tell(lbd->event, "RELOADING=1");
		return hand_over(lbd);
	}
	finish_lbd(lbd, false);
	log_info("stopped");
	return 0;
}

/* Before there is a log. */
static int fail_early(const struct error *error)
{
	if (!background_ready(error->text))
		say_on_stderr(NULL, error->text);
	return 1;
}

static void put_options(struct lbd *lbd, const struct options *options)
{
	lbd->instance = options->instance;
	lbd->conf_path = options->conf_path;
	lbd->conf_named = options->conf_named;
	lbd->foreground = options->foreground;
}

/* What the rooms below tell of, and to whom. */
static void put_together(struct lbd *lbd, struct verbs *verbs)
{
	lbd->host = (struct worker_host){.event = lbd->event, .run_dir = lbd->run_dir};
	lbd->model.event = lbd->event;
	lbd->model.host = &lbd->host;
	lbd->model.changes = (struct changes){.tell = state_changed, .arg = verbs};
	lbd->model.hooks.forgotten = backend_forgotten;
	lbd->model.hooks_arg = verbs;
}

int main(int argc, char **argv)
{
	static struct lbd lbd;
	static struct verbs verbs = {.lbd = &lbd};
	struct options options;
	struct error error = {0};
	int code;
	int control = -1;

	lbd.handed_on = instance_handed_on(&control);
	/* Not for people: how keeper_start() runs this program. */
	if (argc == 4 && !strcmp(argv[1], KEEPER_OPTION))
		return keep_output_run(argv[3], atoi(argv[2]));
	code = options_parse(argc, argv, &options);
	if (code)
		return code - 1;
	control_take_on(control);
	program_find();
	settings_find_static();
	if (options.check)
		return check_conf(options.conf_path, options.instance);
	if (options.test_takeover)
		return takeover_test(&options);
	/* The lock is the process's own: taken after the fork. */
	if ((!options.foreground && !lbd.handed_on && background_enter(&error)) ||
	    instance_prepare(options.instance, lbd.run_dir, sizeof(lbd.run_dir), &error))
		return fail_early(&error);
	put_options(&lbd, &options);
	lbd.argv = argv;
	/* What reexec begins has the log's file for standard error. */
	if (lbd.foreground && !lbd.handed_on)
		log_say_where();
	lbd.started_us = clock_us();
	if (sd_event_default(&lbd.event) < 0 || signals_watch(&lbd) < 0 ||
	    orphans_watch(lbd.event) < 0) {
		error_set(&error, -ENOMEM,
			  "cannot make an event loop: out of memory or descriptors");
		return fail_early(&error);
	}
	put_together(&lbd, &verbs);
	return run_lbd(&lbd, &verbs);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/lbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "check/served.h"
#include "check/words.h"
#include "conf/running.h"
#include "host/net/outgoing.h"
#include "lbd/loss.h"
#include "lbd/settings.h"
#include "leave/record.h"
#include "model/turn.h"
#include "reconcile/check.h"
#include "reconcile/difference.h"
#include "reconcile/held_ports.h"
#include "reconcile/reconcile.h"
#include "remember/remember.h"
#include "roll/recycle.h"
#include "roll/roll.h"
#include "worker/worker.h"

enum { LOGGED_CHANGES_MAX = 100 };

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

/*
 * What cannot be read counts as it was: a roll would end at the first worker, which could not be started.
 * The line holds nothing of what the file says.
 */
static void look_at_files(const struct pool *pool)
{
	struct error error = {0};

	for (size_t i = 0; i < pool->count; i++)
		if (pool->backends[i]->worker)
			worker_look_at_files(pool->backends[i]->worker, &error);
	remember_later(pool->model);
	if (*error.text)
		log_warning("pool %s: %s; its workers run on with what was there before",
			    pool->name, error.text);
}

/* Not where the next configuration starts other processes anyway, perhaps from other files. */
static void look_at_all_files(const struct lbd *lbd, const struct conf *to)
{
	for (size_t i = 0; i < lbd->model.pool_count; i++) {
		const struct pool *pool = lbd->model.pools[i];
		const struct conf_pool *next = conf_find_pool(to, pool->name);

		if (next && !difference_restarts(pool->conf, next))
			look_at_files(pool);
	}
}

static void print_old(const struct backend *backend, FILE *out)
{
	char **files = backend->pool->conf->worker->environment_files;

	if (!worker_has_old_files(backend->worker))
		fprintf(out, "worker %s runs with old settings: it is rolled\n", backend->name);
	else if (files[1])
		fprintf(out, "worker %s: one of its environment files has changed: it is rolled\n",
			backend->name);
	else
		fprintf(out, "worker %s: environment_file %s has changed: it is rolled\n",
			backend->name, *files);
}

/*
 * Workers whose process runs with other settings than are in force: a roll to these ended half-way, an
 * environment file has changed, or lbd was away when the configuration did.  Where the settings change now,
 * that line says it already.
 */
static void print_outdated(const struct lbd *lbd, const struct conf *to, FILE *out)
{
	for (size_t i = 0; i < lbd->model.pool_count; i++) {
		const struct pool *pool = lbd->model.pools[i];
		const struct conf_pool *next = conf_find_pool(to, pool->name);

		if (!next || difference_restarts(pool->conf, next))
			continue;
		for (size_t j = 0; j < pool->count; j++)
			if (worker_is_outdated(pool->backends[j]->worker))
				print_old(pool->backends[j], out);
			else if (roll_is_mended(pool->backends[j]))
				fprintf(out,
					"worker %s has failed with old settings: it is started\n",
					pool->backends[j]->name);
	}
}

static void print_changes(const struct lbd *lbd, const struct conf *to, FILE *out)
{
	difference_print(lbd->model.conf, to, out);
	print_outdated(lbd, to, out);
}

void lbd_roll_outdated(struct lbd *lbd)
{
	look_at_all_files(lbd, lbd->model.conf);
	for (size_t i = 0; i < lbd->model.pool_count; i++)
		roll_outdated(lbd->model.pools[i]);
}

void lbd_roll_begun(struct lbd *lbd)
{
	char *rest = lbd->running.rolls;

	for (char *name; (name = strsep(&rest, " "));) {
		struct pool *pool = pool_find(&lbd->model, name);

		if (!pool)
			continue;
		look_at_files(pool);
		roll_outdated(pool);
	}
}

/* Half of what lbctl has changed is in the files: they would take the other half away. */
static int check_loss(const struct lbd *lbd, const struct conf *to, struct error *error)
{
	int err;

	if (!lbd->running.is_saved_half) {
		err = loss_check(lbd->model.conf, to, lbd->conf_path, error);
		return err ? err : held_ports_check(&lbd->model, to, error);
	}
	return error_set(error, -EPERM,
			 "%s: a save did not end, and the files have half of it: `lbctl save` "
			 "writes the rest; to take them up as they are: `lbctl reload force`",
			 lbd->conf_path);
}

static int take_up(struct lbd *lbd, bool force, FILE *changes, struct error *error)
{
	struct conf *conf;
	int err = lbd_read_conf(lbd, &conf, error);

	if (err)
		return err;
	look_at_all_files(lbd, conf);
	print_changes(lbd, conf, changes);
	if (!force)
		err = check_loss(lbd, conf, error);
	if (!err)
		err = lbd_apply_conf(lbd, conf, LBD_RELOADS, error);
	if (err) {
		conf_free(conf);
		return err;
	}
	conf_warn_words(conf, &lbd_warn_in_log); /* who is refused hears of that alone */
	conf_warn_served(conf, &lbd_warn_in_log);
	return 0;
}

/* What is edited while it is read counts as edited after that. */
static int reload(struct lbd *lbd, bool force, FILE *changes, struct error *error)
{
	struct origin *origin = origin_read(lbd->conf_path);
	int err = origin ? take_up(lbd, force, changes, error)
			 : error_set(error, -ENOMEM, "%s: out of memory", lbd->conf_path);

	if (err) {
		origin_free(origin);
		return err;
	}
	origin_free(lbd->running.origin);
	lbd->running.origin = origin;
	lbd->running.is_saved_half = false;
	lbd_write_running(lbd);
	return 0;
}

/* Names alone: they are for the log. */
static void log_changes(char *text)
{
	char *rest = text;
	unsigned count = 0;

	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line && ++count <= LOGGED_CHANGES_MAX)
			log_info("reload: %s", line);
	if (count > LOGGED_CHANGES_MAX)
		log_info("reload: and %u more", count - LOGGED_CHANGES_MAX);
}

int lbd_reload(struct lbd *lbd, bool force, FILE *changes, struct error *error)
{
	char *text = NULL;
	size_t length;
	FILE *own = open_memstream(&text, &length);
	int err = own ? reload(lbd, force, own, error) : error_set(error, -ENOMEM, "out of memory");

	if (own && fclose(own) && !err)
		log_warning("reload: out of memory to say what has changed");
	if (!err && text && changes)
		fputs(text, changes);
	if (!err && text)
		log_changes(text);
	free(text);
	return err;
}

/* In the order in which a reload comes to it; nothing is made ready. */
static int would_refuse(const struct lbd *lbd, const struct conf *conf, struct error *error)
{
	int err = check_loss(lbd, conf, error);

	if (!err)
		err = reconcile_check(&lbd->model, conf, error);
	return err ? err : settings_try(conf, lbd->instance, lbd->foreground, getpid(), error);
}

int lbd_reread(struct lbd *lbd, FILE *changes, struct error *error)
{
	struct error refusal;
	struct conf *conf;
	int err = lbd_read_conf(lbd, &conf, error);

	if (err)
		return err;
	conf_warn_words(conf, &lbd_warn_in_log);
	conf_warn_served(conf, &lbd_warn_in_log);
	look_at_all_files(lbd, conf);
	print_changes(lbd, conf, changes);
	if (would_refuse(lbd, conf, &refusal))
		fprintf(changes, "reload would refuse this: %s\n", refusal.text);
	conf_free(conf);
	return 0;
}

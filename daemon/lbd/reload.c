/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "check/served.h"
#include "check/words.h"
#include "lbd/in_force.h"
#include "lbd/loss.h"
#include "lbd/outdated.h"
#include "reconcile/check.h"
#include "reconcile/difference.h"
#include "reconcile/held_ports.h"
#include "settings/settings.h"

enum { LOGGED_CHANGES_MAX = 100 };

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

static void print_changes(const struct lbd *lbd, const struct conf *to, FILE *out)
{
	difference_print(lbd->model.conf, to, out);
	outdated_print(lbd, to, out);
}

static int take_up(struct lbd *lbd, bool force, FILE *changes, struct error *error)
{
	struct conf *conf;
	int err = lbd_read_conf(lbd, &conf, error);

	if (err)
		return err;
	outdated_look(lbd, conf);
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
static int reload_file(struct lbd *lbd, bool force, FILE *changes, struct error *error)
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
	int err = own ? reload_file(lbd, force, own, error)
		      : error_set(error, -ENOMEM, "out of memory");

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
	outdated_look(lbd, conf);
	print_changes(lbd, conf, changes);
	if (would_refuse(lbd, conf, &refusal))
		fprintf(changes, "reload would refuse this: %s\n", refusal.text);
	conf_free(conf);
	return 0;
}

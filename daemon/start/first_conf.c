/* SPDX-License-Identifier: Apache-2.0 */
#include "start/first_conf.h"

#include <errno.h>

#include "base/log.h"
#include "check/privileges.h"
#include "datapath/datapath.h"
#include "lbd/in_force.h"
#include "lbd/reload.h"
#include "lbd/save.h"

static bool file_has_changed(const struct lbd *lbd)
{
	struct origin *now = origin_read(lbd->conf_path);
	bool changed = !now || !origin_equals(now, lbd->running.origin);

	origin_free(now);
	return changed;
}

int first_conf(struct lbd *lbd, struct conf **conf, bool *in_force, struct error *error)
{
	struct error why;

	*in_force = false;
	if (datapath_adopted(lbd->dp)) {
		if (!running_read(lbd->run_dir, lbd->conf_path, &lbd->running, conf, &why)) {
			*in_force = true;
			save_settle(&lbd->running, (*conf)->root);
			log_info("going on with the configuration that was in force");
			return 0;
		}
		log_error("%s: what was in force is not known; beginning with %s", why.text,
			  lbd->conf_path);
	}
	lbd->running.origin = origin_read(lbd->conf_path);
	if (!lbd->running.origin)
		return error_set(error, -ENOMEM, "%s: out of memory", lbd->conf_path);
	return lbd_read_conf(lbd, conf, error);
}

int first_conf_drop_privileges(const struct lbd *lbd, const struct conf *conf, struct error *error)
{
	struct conf *next = NULL;
	struct error ignored; /* is said when it is to be put in force */
	int err;

	if (file_has_changed(lbd) && lbd_read_conf(lbd, &next, &ignored))
		next = NULL;
	err = privileges_drop(conf, next, error);
	conf_free(next);
	return err;
}

int first_conf_explain(const struct lbd *lbd, int err, struct error *error)
{
	if (!err || !file_has_changed(lbd))
		return err;
	return error_prefix(error, err,
			    "the configuration that was in force (%s has changed: to begin with it "
			    "unseen, remove %s/running.conf)",
			    lbd->conf_path, lbd->run_dir);
}

static void reload_changed(struct lbd *lbd)
{
	struct error error;

	if (lbd_reload(lbd, false, NULL, &error))
		log_error(
			"%s has changed since lbd died, and is not in force: %s; lbd goes on with "
			"what was, until `lbctl reload`",
			lbd->conf_path, error.text);
	else
		log_warning("%s has changed since lbd died: it is in force now, as by `lbctl "
			    "reload`, and what lbctl changed without `save` is not",
			    lbd->conf_path);
}

void first_conf_look_at_file(struct lbd *lbd)
{
	if (lbd->running.is_saved_half)
		log_warning("%s: a save did not end, and the files may have half of it; what was "
			    "in force stays so: `lbctl save` writes the rest (`lbctl reread` shows "
			    "the difference; `lbctl reload force` takes up the files as they are)",
			    lbd->conf_path);
	else if (!file_has_changed(lbd))
		return;
	else if (lbd->handed_on)
		log_warning("%s has changed: it waits for `lbctl reload`", lbd->conf_path);
	else
		reload_changed(lbd);
}

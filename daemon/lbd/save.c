/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/files.h"
#include "lbd/in_force.h"
#include "lbd/save_plan.h"

struct check {
	const struct running *running;
	struct error *error;
	int err;
};

static void check_one(void *arg, const char *file)
{
	struct check *check = arg;

	if (!check->err)
		check->err = save_check(check->running->origin, file, check->running->is_saved_half,
					check->error);
}

static int check_edited(const struct lbd *lbd, struct error *error)
{
	struct check check = {.running = &lbd->running, .error = error};
	const struct origin *origin = lbd->running.origin;
	const char *file;

	check_one(&check, lbd->conf_path);
	for (size_t i = 0; (file = origin_file(origin, i)); i++)
		if (origin_has(origin, file))
			check_one(&check, file);
	block_each_included(lbd->model.conf->root, check_one, &check);
	return check.err;
}

/* 1: the two say something else; 0; -ENOMEM. */
static int block_differs(const struct block *one, const struct block *other, struct error *error)
{
	char *text = block_text(one, NULL), *there = block_text(other, NULL);
	int found = text && there ? strcmp(text, there) != 0
				  : error_set(error, -ENOMEM, "out of memory");

	free(text);
	free(there);
	return found;
}

/* Whatever was written where: who reads it must find what is in force. */
static int check_saved(const struct lbd *lbd, struct error *error)
{
	struct block *read = NULL;
	int found = block_parse_file(lbd->conf_path, &read, error);

	if (!found)
		found = block_include(read, error);
	if (!found)
		found = block_differs(lbd->model.conf->root, read, error);
	block_free(read);
	if (found <= 0)
		return found;
	return error_set(error, -EIO,
			 "%s: saved, but with what it includes it does not say what is in force: "
			 "`lbctl reread` shows the difference; write that there yourself",
			 lbd->conf_path);
}

/* The `include` that brought it in has gone. */
static void forget_unread(struct origin *origin, const struct block *now)
{
	const char *file;

	for (size_t i = 0; (file = origin_file(origin, i)); i++)
		if (strcmp(file, now->file) != 0 && !block_would_include(now, file))
			origin_forget(origin, file);
}

void save_settle(struct running *running, const struct block *now)
{
	if (origin_settle(running->origin, &running->is_saved_half))
		forget_unread(running->origin, now);
}

/*
 * DANGER: a later lbd would take half of a save for an edit, and lose the rest of what lbctl has changed: it is told
 * before the first file is changed what each of them is to say.
 */
static int write_files(struct lbd *lbd, struct save_plan *plan, struct error *error)
{
	int err = save_plan_prepare(plan, error);

	if (!err)
		err = lbd_publish_running(lbd, error);
	if (!err)
		err = save_plan_put(plan, error);
	if (err)
		save_plan_name_rest(plan, error);
	return err;
}

static void take_saved(struct running *running, const struct block *now)
{
	origin_accept(running->origin);
	running->is_saved_half = false;
	forget_unread(running->origin, now);
}

static int settle_save(struct lbd *lbd, const struct save_plan *plan, int err, struct error *error)
{
	const struct block *now = lbd->model.conf->root;
	struct error unwritten;
	int record;

	if (!err)
		take_saved(&lbd->running, now);
	else if (save_plan_has_put(plan))
		save_settle(&lbd->running, now);
	else
		origin_cancel(lbd->running.origin);
	record = lbd_publish_running(lbd, err ? &unwritten : error);
	return err ? err : record;
}

int lbd_save(struct lbd *lbd, struct error *error)
{
	struct running *running = &lbd->running;
	struct save_plan *plan = NULL;
	int err = check_edited(lbd, error);

	if (!err)
		err = save_plan_new(lbd->model.conf->root, running->origin, running->is_saved_half,
				    &plan, error);
	if (err)
		return err;
	err = settle_save(lbd, plan, write_files(lbd, plan, error), error);
	save_plan_free(plan);
	return err ? err : check_saved(lbd, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl save`: each file gets what belongs to it, and only files that would say something else now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block_files.h"
#include "lbd.h"
#include "publish.h"

/* What somebody has written there, and nobody read, must not be lost. */
static int check_one(const struct origin *origin, const char *file, struct error *error)
{
	enum origin_look look = origin_look(origin, file);

	if (look == ORIGIN_SAME)
		return 0;
	return error_set(error, -EBUSY,
			 "%s has %s: `lbctl reread` shows the difference, `lbctl reload` takes it "
			 "up; move it away to save all the same",
			 file,
			 look == ORIGIN_NEW ? "come since the configuration was read"
					    : "been changed since it was read");
}

struct check {
	const struct origin *origin;
	struct error *error;
	int err;
};

static void check_included(void *arg, const char *file)
{
	struct check *check = arg;

	if (!check->err)
		check->err = check_one(check->origin, file, check->error);
}

static int check_edited(const struct lbd *lbd, struct error *error)
{
	struct check check = {.origin = lbd->running.origin, .error = error};
	const char *file;

	check_included(&check, lbd->conf_path);
	for (size_t i = 0; (file = origin_file(lbd->running.origin, i)); i++)
		if (origin_has(lbd->running.origin, file))
			check_included(&check, file);
	block_each_included(lbd->model.conf->root, check_included, &check);
	return check.err;
}

struct part {
	const struct block *root; /* NULL: there is none */
	const char *file;         /* NULL: all of the root's, as one text */
};

static void print(FILE *out, const void *arg)
{
	const struct part *part = arg;

	if (part->root && part->file)
		block_print_file(part->root, part->file, out);
	else if (part->root)
		block_print(part->root, out);
}

/* NULL: out of memory. */
static char *text_of(const struct part *part)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	print(out, part);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int no_memory(struct error *error)
{
	return error_set(error, -ENOMEM, "out of memory");
}

/* 1: the two say something else in their files; 0; -ENOMEM. */
static int differs(const struct part *one, const struct part *other, struct error *error)
{
	char *text = text_of(one), *there = text_of(other);
	int found = text && there ? strcmp(text, there) != 0 : no_memory(error);

	free(text);
	free(there);
	return found;
}

/* What of the tree belongs to the file of this name; of one that several blocks include, the first. */
static struct part find_part(const struct block *root, const char **inclusions, const char *name)
{
	if (!strcmp(name, root->file))
		return (struct part){root, root->file};
	while (*inclusions && strcmp(*inclusions, name) != 0)
		inclusions++;
	return (struct part){*inclusions ? root : NULL, *inclusions};
}

struct work {
	const struct block *now;
	const char **inclusions; /* of now */
	struct origin *origin;
	int err; /* of the first that could not be written */
};

/* One that has nothing to say is made only where it must be there. */
static bool to_write(const struct work *work, const char *file, const char *text, const char *there)
{
	if (there)
		return strcmp(text, there) != 0;
	return *text || !strcmp(file, work->now->file) ||
	       block_would_include(work->now, file) == BLOCK_BY_NAME;
}

/* DANGER: of one that was moved away nobody knows any more who might read it, and it may hold secrets. */
static int write_file(const struct work *work, const char *file, const struct part *part,
		      struct error *error)
{
	int err = publish_over("", file, origin_has(work->origin, file) ? 0600 : 0644, print, part,
			       error);

	return err ? err : origin_renew(work->origin, file) ? no_memory(error) : 0;
}

/* After a failure the rest is left as it is, so that the main file does not change alone; it is named. */
static void write_or_name(struct work *work, const char *file, const struct part *part,
			  struct error *error)
{
	size_t used = strlen(error->text);

	if (!work->err)
		work->err = write_file(work, file, part, error);
	else
		snprintf(error->text + used, sizeof(error->text) - used, "; not written either: %s",
			 file);
}

static void save_text(struct work *work, const char *file, const struct part *part,
		      const char *text, struct error *error)
{
	struct error unread;
	char *there = NULL;
	int err = origin_text(file, !strcmp(file, work->now->file), &there, &unread);

	if (err && err != -ENOENT)
		work->err = work->err ? work->err : error_set(error, err, "%s", unread.text);
	else if (to_write(work, file, text, there))
		write_or_name(work, file, part, error);
	free(there);
}

/* By name.  What is not read any more, since the `include` has gone, keeps what it says. */
static void save_one(struct work *work, const char *file, struct error *error)
{
	const struct part part = find_part(work->now, work->inclusions, file);
	char *text;

	if (!part.root && !block_would_include(work->now, file))
		return;
	text = text_of(&part);
	if (text)
		save_text(work, file, &part, text, error);
	else if (!work->err)
		work->err = no_memory(error);
	free(text);
}

/* The main file last: it is what a reader of half a save must not find changed alone. */
static void save_each(struct work *work, struct error *error)
{
	const char *file;

	for (size_t i = 0; (file = origin_file(work->origin, i)); i++)
		if (strcmp(file, work->now->file) != 0)
			save_one(work, file, error);
	save_one(work, work->now->file, error);
	for (size_t i = 0; (file = origin_file(work->origin, i)); i++)
		if (strcmp(file, work->now->file) != 0 && !block_would_include(work->now, file))
			origin_forget(work->origin, file);
}

static int save_all(struct lbd *lbd, struct error *error)
{
	const struct block *now = lbd->model.conf->root;
	struct work work = {
		.now = now,
		.inclusions = block_list_inclusions(now),
		.origin = lbd->running.origin,
	};

	if (!work.inclusions)
		return no_memory(error);
	*error = (struct error){0};
	save_each(&work, error);
	free(work.inclusions);
	return work.err;
}

/* Whatever was written where: who reads it must find what is in force. */
static int check_saved(const struct lbd *lbd, struct error *error)
{
	struct block *read = NULL;
	int found = block_parse_file(lbd->conf_path, &read, error);

	if (!found)
		found = block_include(read, error);
	if (!found)
		found = differs(&(struct part){lbd->model.conf->root, NULL},
				&(struct part){read, NULL}, error);
	block_free(read);
	if (found <= 0)
		return found;
	return error_set(error, -EIO,
			 "%s: saved, but with what it includes it does not say what is in force: "
			 "`lbctl reread` shows the difference; write that there yourself",
			 lbd->conf_path);
}

/* DANGER: a later lbd would take half of a save for an edit, and lose the rest of what lbctl has changed. */
static int begin(struct lbd *lbd, struct error *error)
{
	bool was_so = lbd->running.is_saved_half;
	int err;

	lbd->running.is_saved_half = true;
	err = lbd_publish_running(lbd, error);
	if (err)
		lbd->running.is_saved_half = was_so;
	return err;
}

int lbd_save(struct lbd *lbd, struct error *error)
{
	struct error unwritten;
	int err = check_edited(lbd, error), record;

	if (!err)
		err = begin(lbd, error);
	if (err)
		return err;
	err = save_all(lbd, error);
	lbd->running.is_saved_half = false;
	record = lbd_publish_running(lbd, err ? &unwritten : error);
	if (!err)
		err = record;
	return err ? err : check_saved(lbd, error);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `lbctl save`: each file gets what belongs to it, and only files that would say something else now. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block_files.h"
#include "lbd.h"
#include "publish.h"
#include "running.h"

/* The files as they are on the disk, with what they include; a main file that is not there is empty. */
static int read_present(const char *path, struct block **root, struct error *error)
{
	int err = block_parse_file(path, root, error);

	if (err == -ENOENT)
		return block_parse(path, "", 0, root, error);
	if (!err)
		err = block_include(*root, error);
	if (err) {
		block_free(*root);
		*root = NULL;
	}
	return err;
}

/* What somebody has written there, and nobody read, must not be lost. */
static int check_edited(const struct lbd *lbd, struct error *error)
{
	if (access(lbd->conf_path, F_OK) || running_origin(lbd->conf_path) == lbd->running.origin)
		return 0;
	return error_set(error, -EBUSY,
			 "%s, or a file that it includes, has been changed since it was read: "
			 "`lbctl reread` shows the difference, `lbctl reload` takes it up; move it "
			 "away to save all the same",
			 lbd->conf_path);
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
	const struct block *now, *present;
	const char **files;             /* of present, by name */
	const char **inclusions, **was; /* of now, and of present */
};

/* By name.  What is not read any more, since the `include` has gone, keeps what it says. */
static int save_one(const struct work *work, const char *name, struct error *error)
{
	const struct part now = find_part(work->now, work->inclusions, name);
	const struct part was = find_part(work->present, work->was, name);
	int found = differs(&now, &was, error);

	if (found <= 0 || (!now.root && !block_would_include(work->now, name)))
		return found < 0 ? found : 0;
	return publish_over("", name, 0644, print, &now, error);
}

/* The main file last: it is what a reader of half a save must not find changed alone. */
static int save_each(const struct work *work, struct error *error)
{
	int err = 0;

	for (const char **file = work->files; *file && !err; file++)
		err = save_one(work, *file, error);
	return err ? err : save_one(work, work->now->file, error);
}

static int save_all(const struct block *now, const struct block *present, struct error *error)
{
	struct work work = {
		.now = now,
		.present = present,
		.files = block_list_files(present),
		.inclusions = block_list_inclusions(now),
		.was = block_list_inclusions(present),
	};
	int err = work.files && work.inclusions && work.was ? save_each(&work, error)
							    : no_memory(error);

	free(work.files);
	free(work.inclusions);
	free(work.was);
	return err;
}

/* Whatever was written where: who reads it must find what is in force. */
static int check_saved(const struct lbd *lbd, struct error *error)
{
	struct block *read = NULL;
	int found = read_present(lbd->conf_path, &read, error);

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

int lbd_save(struct lbd *lbd, struct error *error)
{
	const struct block *now = lbd->model.conf->root;
	struct block *present = NULL;
	int err = check_edited(lbd, error);

	if (!err)
		err = read_present(lbd->conf_path, &present, error);
	if (!err && access(lbd->conf_path, F_OK))
		err = publish_over("", lbd->conf_path, 0644, print, &(struct part){now, now->file},
				   error);
	else if (!err)
		err = save_all(now, present, error);
	block_free(present);
	if (err)
		return err;
	lbd->running.origin = running_origin(lbd->conf_path);
	err = lbd_publish_running(lbd, error);
	return err ? err : check_saved(lbd, error);
}

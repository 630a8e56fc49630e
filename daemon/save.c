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
	if (access(lbd->conf_path, F_OK) || running_origin(lbd->conf_path) == lbd->origin)
		return 0;
	return error_set(error, -EBUSY,
			 "%s, or a file that it includes, has been changed since it was read: "
			 "`lbctl reread` shows the difference, `lbctl reload` takes it up; move it "
			 "away to save all the same",
			 lbd->conf_path);
}

struct part {
	const struct block *root;
	const char *file;
};

static void print(FILE *out, const void *arg)
{
	const struct part *part = arg;

	block_print_file(part->root, part->file, out);
}

static char *text_of(const struct block *root, const char *file)
{
	const struct part part = {root, file};
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	print(out, &part);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int differs(const struct block *now, const struct block *present, const char *file,
		   struct error *error)
{
	char *wanted = text_of(now, file), *there = text_of(present, file);
	int found = wanted && there ? strcmp(wanted, there) != 0
				    : error_set(error, -ENOMEM, "%s: out of memory", file);

	free(wanted);
	free(there);
	return found;
}

static int save_one(const struct block *now, const struct block *present, const char *file,
		    struct error *error)
{
	const struct part part = {now, file};
	int found = differs(now, present, file, error);

	if (found <= 0)
		return found;
	return publish_over("", file, 0644, print, &part, error);
}

/* The main file last: it is what a reader of half a save must not find changed alone. */
static int save_all(const struct block *now, const struct block *present, struct error *error)
{
	const char **files = block_list_files(present);
	int err = 0;

	if (!files)
		return error_set(error, -ENOMEM, "out of memory");
	for (const char **file = files; *file && !err; file++)
		err = save_one(now, present, *file, error);
	free(files);
	return err ? err : save_one(now, present, now->file, error);
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
	lbd->origin = running_origin(lbd->conf_path);
	return running_write(lbd->run_dir, lbd->origin, now, error);
}

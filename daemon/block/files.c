/* SPDX-License-Identifier: Apache-2.0 */
#include "block/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "block/file_name.h"
#include "block/tree.h"

struct files {
	const char **names;
	size_t count;
	int err;
	bool each; /* inclusion is a name of its own */
};

static void add_file(struct files *files, const char *file)
{
	const char **larger;

	for (size_t i = 0; i < files->count; i++)
		if (files->names[i] == file || (!files->each && !strcmp(files->names[i], file)))
			return;
	larger = reallocarray(files->names, files->count + 2, sizeof(*larger));
	if (!larger) {
		files->err = -ENOMEM;
		return;
	}
	files->names = larger;
	larger[files->count++] = file;
	larger[files->count] = NULL;
}

static void gather_files(const struct block *parent, const char *own, struct files *files)
{
	for (const struct block *child = parent->first; child && !files->err; child = child->next) {
		if (strcmp(child->file, own) != 0)
			add_file(files, child->file);
		gather_files(child, own, files);
	}
}

static const char **list_files(const struct block *root, bool each)
{
	struct files files = {.names = calloc(1, sizeof(char *)), .each = each};

	if (!files.names)
		return NULL;
	gather_files(root, root->file, &files);
	if (!files.err)
		return files.names;
	free(files.names);
	return NULL;
}

const char **block_list_files(const struct block *root)
{
	return list_files(root, false);
}

const char **block_list_inclusions(const struct block *root)
{
	return list_files(root, true);
}

/* The name as its directives share it: the same for all wrappers of a file in one block, which start at first. */
static const char *intern_name(struct files *files, size_t first, const char *name)
{
	const char *file;

	for (size_t i = first; i < files->count; i++)
		if (!strcmp(files->names[i], name))
			return files->names[i];
	file = block_file_new(name);
	if (!file) {
		files->err = -ENOMEM;
		return NULL;
	}
	add_file(files, file);
	if (files->err)
		block_file_unref(file);
	return files->err ? NULL : file;
}

static void restore_wrappers(struct block *parent, const char *file, struct files *files);

/* Puts the children of a wrapper in its place in the list. */
static void unwrap_children(struct block *wrapper, struct block *list, struct files *files,
			    size_t first)
{
	const char *file = intern_name(files, first, wrapper->words[1]);

	while (wrapper->first) {
		struct block *child = wrapper->first;

		wrapper->first = child->next;
		block_adopt(list, child);
		if (file)
			block_set_file(child, file);
		if (file && !child->is_include)
			restore_wrappers(child, file, files);
	}
	block_free(wrapper);
}

static void restore_wrappers(struct block *parent, const char *file, struct files *files)
{
	const size_t first = files->count;
	struct block list = {0};

	for (struct block *child = parent->first, *next; child; child = next) {
		next = child->next;
		child->is_include = !strcmp(child->words[0], "include");
		if (!strcmp(child->words[0], BLOCK_FILE_WORD) && child->count == 2) {
			for (struct block *inner = child->first; inner; inner = inner->next)
				inner->is_include = !strcmp(inner->words[0], "include");
			unwrap_children(child, &list, files, first);
			continue;
		}
		block_adopt(&list, child);
		block_set_file(child, file);
		restore_wrappers(child, file, files);
	}
	parent->first = list.first;
	parent->last = list.last;
}

int block_restore(struct block *root, const char *file)
{
	struct files files = {.each = true};
	const char *own = intern_name(&files, 0, file);

	if (own) {
		block_set_file(root, own);
		restore_wrappers(root, own, &files);
	}
	for (size_t i = 0; i < files.count; i++)
		block_file_unref(files.names[i]);
	free(files.names);
	return files.err;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "block/file_name.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct file_name {
	unsigned users;
	char text[];
};

static struct file_name *name_of(const char *file)
{
	return (struct file_name *)(file - offsetof(struct file_name, text));
}

const char *block_file_new(const char *name)
{
	size_t bytes = strlen(name) + 1;
	struct file_name *file = malloc(sizeof(*file) + bytes);

	if (!file)
		return NULL;
	file->users = 1;
	memcpy(file->text, name, bytes);
	/* cppcheck-suppress memleak ; name_of() finds it again */
	return file->text;
}

const char *block_file_ref(const char *file)
{
	name_of(file)->users++;
	return file;
}

void block_file_unref(const char *file)
{
	if (file && --name_of(file)->users == 0)
		free(name_of(file));
}

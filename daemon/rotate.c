/* SPDX-License-Identifier: Apache-2.0 */
#include "rotate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

enum { OLD_NAME_BYTES = sizeof(((struct place *)NULL)->name) + 16 };

static void name_old(char name[OLD_NAME_BYTES], const struct place *place, unsigned n)
{
	if (n)
		snprintf(name, OLD_NAME_BYTES, "%s.%u", place->name, n);
	else
		snprintf(name, OLD_NAME_BYTES, "%s", place->name);
}

static int move_all(const struct place *place, unsigned max_files)
{
	char from[OLD_NAME_BYTES], to[OLD_NAME_BYTES];

	if (!max_files)
		return unlinkat(place->dir, place->name, 0) && errno != ENOENT ? -errno : 0;
	for (unsigned n = max_files; n; n--) {
		name_old(from, place, n - 1);
		name_old(to, place, n);
		if (renameat(place->dir, from, place->dir, to) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int rotate_files(const char *path, unsigned max_files, uid_t user, struct error *error)
{
	struct place place;
	int err = place_find("log ", path, user, &place, error);

	if (err)
		return err;
	err = move_all(&place, max_files);
	place_close(&place);
	if (err)
		error_set(error, err, "log %s: %s", path, strerror(-err));
	return err;
}

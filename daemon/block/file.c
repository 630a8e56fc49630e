/* SPDX-License-Identifier: Apache-2.0 */
/* Files of configuration: read as root, and who else can change them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/open_file.h"
#include "base/read_file.h"
#include "block/block.h"

enum { FILE_BYTES_MAX = 16 << 20 };

int block_parse_file(const char *path, struct block **root, struct error *error)
{
	size_t length;
	char *text;
	int code = read_file("", path, geteuid(), FILE_BYTES_MAX, &text, &length, error);

	if (code)
		return code;
	code = block_parse(path, text, length, root, error);
	free(text);
	return code;
}

/* root: nobody else. */
static int find_changer(const struct place *place, uid_t *changer, struct error *error)
{
	struct stat st;

	if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW))
		return error_set(error, -errno, "%s: %s", place->path, strerror(errno));
	if (st.st_mode & S_IWOTH && S_ISREG(st.st_mode))
		return error_set(
			error, -EPERM,
			"%s: anybody may write it (mode %04o), and so have any command run; "
			"chmod o-w",
			place->path, (unsigned)st.st_mode & 07777);
	*changer = place_is_root(place->owner) ? st.st_uid : place->owner;
	if (place_is_root(*changer))
		*changer = geteuid();
	return 0;
}

int block_file_changer(const char *path, uid_t *changer, struct error *error)
{
	struct place place;
	int code = place_find("", path, geteuid(), &place, error);

	if (code)
		return code;
	code = find_changer(&place, changer, error);
	place_close(&place);
	return code;
}

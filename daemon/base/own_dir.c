/* SPDX-License-Identifier: Apache-2.0 */
#include "base/own_dir.h"

#include <errno.h>
#include <sys/stat.h>

enum { MODE = 0711 };

int own_dir_make_new(const char *path)
{
	struct stat st;

	/* At no time may others list it; umask(2) may have taken what they are to have. */
	if (mkdir(path, MODE) || lstat(path, &st))
		return -errno;
	return (st.st_mode & 07777) == MODE || !chmod(path, MODE) ? 0 : -errno;
}

int own_dir_make(const char *path)
{
	struct stat st;

	if (lstat(path, &st)) {
		int err = errno == ENOENT ? own_dir_make_new(path) : -errno;

		return err == -EEXIST ? 0 : err;
	}
	if (!S_ISDIR(st.st_mode) || !(st.st_mode & S_IROTH))
		return 0;
	return chmod(path, st.st_mode & 07777 & ~S_IROTH) ? -errno : 0;
}

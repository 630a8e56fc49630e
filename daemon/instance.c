/* SPDX-License-Identifier: Apache-2.0 */
#include "instance.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/ctl.h"

enum { NAME_MAX_BYTES = 48 };

static int check_name(const char *instance, struct error *error)
{
	size_t length = strlen(instance);

	if (!length || length > NAME_MAX_BYTES || instance[0] == '.' ||
	    strspn(instance, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
		    length)
		return error_set(error, -EINVAL,
				 "instance \"%s\": at most %d letters, digits, and . _ -", instance,
				 NAME_MAX_BYTES);
	return 0;
}

/*
 * The lock is a byte-range lock of the process: it outlives exec (reexec), is no child's, and ends
 * with the process.  The descriptor stays open for it.
 */
static int lock(const char *run_dir, struct error *error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (fcntl(fd, F_SETLK, &whole) == 0)
		return 0;
	if (fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		error_set(error, -EBUSY,
			  "%s: another lbd (pid %d) is running: talk to it with lbctl, or name "
			  "another "
			  "instance with -n",
			  run_dir, whole.l_pid);
	else
		error_set(error, -EBUSY, "%s: cannot be locked: %s", path, strerror(errno));
	close(fd);
	return -EBUSY;
}

int instance_prepare(const char *instance, char *run_dir, size_t size, struct error *error)
{
	int err = check_name(instance, error);

	if (err)
		return err;
	if (geteuid() != 0)
		return error_set(error, -EPERM,
				 "must be root to load BPF programs and attach them: try sudo");
	snprintf(run_dir, size, "%s/%s", LB_CTL_RUN_DIR, instance);
	if ((mkdir(LB_CTL_RUN_DIR, 0755) && errno != EEXIST) ||
	    (mkdir(run_dir, 0755) && errno != EEXIST))
		return error_set(error, -errno, "%s: cannot be made: %s", run_dir, strerror(errno));
	mkdir(LB_LOG_DIR, 0755);
	return lock(run_dir, error);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	remove(path);
	return 0;
}

void instance_remove(const char *run_dir, const char *cgroup)
{
	if (cgroup)
		rmdir(cgroup);
	nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

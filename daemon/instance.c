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

/* "PID DESCRIPTOR": a value that a process before us has had, or that a child inherits, does not count. */
#define HANDED_ON "LBD_REEXEC"

static int lock_fd = -1;

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

static bool is_file(int fd, const char *path)
{
	struct stat own, there;

	return fd >= 0 && !fstat(fd, &own) && !stat(path, &there) && own.st_dev == there.st_dev &&
	       own.st_ino == there.st_ino;
}

/*
 * The lock is a byte-range lock of the process: it outlives exec (reexec) with its descriptor, is no
 * child's, and ends with the process.  It would also end with any other descriptor of the file: there is
 * none.
 */
static int lock(const char *run_dir, struct error *error)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	if (is_file(lock_fd, path))
		return 0;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (fcntl(fd, F_SETLK, &whole) == 0) {
		lock_fd = fd;
		return 0;
	}
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

int instance_find(const char *instance, char *run_dir, size_t size, struct error *error)
{
	int err = check_name(instance, error);

	if (err)
		return err;
	if (geteuid() != 0)
		return error_set(error, -EPERM,
				 "must be root to load BPF programs and attach them: try sudo");
	snprintf(run_dir, size, "%s/%s", LB_CTL_RUN_DIR, instance);
	return 0;
}

int instance_prepare(const char *instance, char *run_dir, size_t size, struct error *error)
{
	int err = instance_find(instance, run_dir, size, error);

	if (err)
		return err;
	if ((mkdir(LB_CTL_RUN_DIR, 0755) && errno != EEXIST) ||
	    (mkdir(run_dir, 0755) && errno != EEXIST))
		return error_set(error, -errno, "%s: cannot be made: %s", run_dir, strerror(errno));
	mkdir(LB_LOG_DIR, 0755);
	return lock(run_dir, error);
}

void instance_hand_on(void)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %d", getpid(), lock_fd);
	setenv(HANDED_ON, text, 1);
	fcntl(lock_fd, F_SETFD, 0);
}

bool instance_handed_on(void)
{
	const char *text = getenv(HANDED_ON);
	bool found;
	int pid, fd;

	found = text && sscanf(text, "%d %d", &pid, &fd) == 2 && pid == getpid();
	unsetenv(HANDED_ON);
	if (found && fd > STDERR_FILENO && !fcntl(fd, F_SETFD, FD_CLOEXEC))
		lock_fd = fd;
	return found;
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

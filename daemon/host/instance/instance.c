/* SPDX-License-Identifier: Apache-2.0 */
#include "host/instance/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "base/own_dir.h"
#include "base/place.h"
#include "host/cgroup/cgroup.h"
#include "host/net/sockets.h"
#include "host/process/name_lock.h"
#include "host/process/process.h"
#include "host/process/program.h"
#include "lb/ctl.h"

enum {
	GROUP_TIMEOUT_US = 1000 * 1000,
	LOOK_US = 10 * 1000, /* between two looks at who holds the name */
	HOLDING_LOOKS = 10,  /* the same process in each: it is one that runs */
	/* How long one that was killed may take to be gone: it is not to be seen any more, but has the name. */
	ENDING_US = 5000 * 1000,
};

/*
 * "PID LOCK NAME CONTROL", three descriptors: a value that a process before us has had, or that a child inherits,
 * does not count.
 */
#define HANDED_ON "LBD_REEXEC"

static int lock_fd = -1, name_fd = -1;

static bool is_file(int fd, const char *path)
{
	struct stat own, there;

	return fd >= 0 && !fstat(fd, &own) && !stat(path, &there) && own.st_dev == there.st_dev &&
	       own.st_ino == there.st_ino;
}

/* Where the lock is gone, the run directory was deleted under it, and with it the way for lbctl. */
static int is_running(const char *run_dir, pid_t pid, struct error *error)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	if (pid && access(path, F_OK))
		return error_set(
			error, -EBUSY,
			"another lbd (pid %d) is running, and lbctl cannot reach it, for %s was "
			"deleted and it has not made it again: `kill -9 %d`, then start lbd again, "
			"which takes its workers "
			"back",
			pid, run_dir, pid);
	return error_set(error, -EBUSY,
			 "%s: another lbd (pid %d) is running: talk to it with lbctl, or name "
			 "another instance with -n",
			 run_dir, pid);
}

/*
 * The lock is a byte-range lock of the process: it outlives exec (reexec) with its descriptor, is no
 * child's, and ends with the process.  It would also end with any other descriptor of the file: there is
 * none.
 */
static int lock_run_dir(const char *run_dir, struct error *error)
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
		if (lock_fd >= 0)
			close(lock_fd); /* of a file that was deleted */
		lock_fd = fd;
		return 0;
	}
	if (fcntl(fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK)
		is_running(run_dir, whole.l_pid, error);
	else
		error_set(error, -EBUSY, "%s: cannot be locked: %s", path, strerror(errno));
	close(fd);
	return -EBUSY;
}

pid_t instance_pid(const char *instance)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s/lock", LB_CTL_RUN_DIR, instance);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &whole) || whole.l_type == F_UNLCK)
		whole.l_pid = 0;
	close(fd);
	return whole.l_pid;
}

static pid_t find_lbd(const struct name_holder *holder)
{
	struct sockets_holder process = {0};

	sockets_find_holders_among(program_is_of, &holder->inode, 1, &process);
	return process.pid;
}

/*
 * One that has just been killed holds it until the kernel has closed all that was its own, and a child that
 * it was making until that one executes its program: who holds it must do so for a while.  The pid of another
 * lbd, or 0, with *fd as of name_lock(): -EADDRINUSE: it is a stranger's.
 */
static pid_t take_name(const char *name, struct name_holder *holder, int *fd)
{
	uint64_t until_us = clock_us() + ENDING_US;
	pid_t pid = 0, before;
	int same = 0;

	do {
		*fd = name_lock(name, holder);
		if (*fd != -EADDRINUSE || !holder->may_be_lbd)
			return 0;
		before = pid;
		pid = find_lbd(holder);
		same = pid && pid == before ? same + 1 : 0;
		usleep(LOOK_US); /* nothing tells of an address that is free again */
	} while (same < HOLDING_LOOKS && clock_us() < until_us);
	return pid;
}

/* As far as it can be known: a socket may also be in the queue of another, where no process has it. */
static void warn_of_stranger(const char *name, const struct name_holder *holder,
			     const char *run_dir)
{
	struct sockets_holder process = {0};
	char who[64] = "a process that cannot be seen";

	if (holder->inode)
		sockets_find_holders(&holder->inode, 1, &process);
	if (process.pid)
		snprintf(who, sizeof(who), "%s (pid %d)", process.comm, process.pid);
	log_warning("%s, which is no lbd, holds the abstract Unix address @%s, which is lbd's "
		    "(user %d made the socket): a second lbd is kept away by %s/lock alone",
		    who, name, holder->uid, run_dir);
}

/*
 * The file could be deleted, with all of the run directory, from under the lbd that holds it.  A name cannot,
 * but any user may have taken it: then the file has to do.
 */
static int lock_name(const char *instance, const char *run_dir, struct error *error)
{
	struct name_holder holder;
	char name[64];
	pid_t pid;
	int fd;

	if (name_fd >= 0)
		return 0;
	snprintf(name, sizeof(name), "lbd/%s", instance);
	pid = take_name(name, &holder, &fd);
	if (pid)
		return is_running(run_dir, pid, error);
	if (fd == -EADDRINUSE)
		warn_of_stranger(name, &holder, run_dir);
	else if (fd < 0)
		return error_set(error, fd, "@%s: %s", name, strerror(-fd));
	name_fd = fd;
	name_lock_hold(fd);
	return 0;
}

int instance_find(const char *instance, char *run_dir, size_t size, struct error *error)
{
	int err = name_check_instance(instance, error);

	if (err)
		return err;
	if (geteuid() != 0)
		return error_set(error, -EPERM,
				 "must be root to load BPF programs and attach them: try sudo");
	snprintf(run_dir, size, "%s/%s", LB_CTL_RUN_DIR, instance);
	return 0;
}

/* Another user's would let that user give lbd workers, answer for it, and read what it keeps for itself. */
int instance_check(const char *run_dir, struct error *error)
{
	static const char danger[] = "could put there what lbd believes";
	struct place place;
	char path[160];
	int err;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	err = place_find("run directory: ", path, geteuid(), &place, error);
	if (err)
		return err;
	err = place_check_root(&place, danger, error);
	place_close(&place);
	return err;
}

int instance_make(const char *run_dir, struct error *error)
{
	int err = own_dir_make(LB_CTL_RUN_DIR);

	if (!err)
		err = own_dir_make(run_dir);
	if (err)
		return error_set(error, err, "%s: cannot be made: %s", run_dir, strerror(-err));
	err = instance_check(run_dir, error);
	return err ? err : lock_run_dir(run_dir, error);
}

int instance_prepare(const char *instance, char *run_dir, size_t size, struct error *error)
{
	int err = instance_find(instance, run_dir, size, error);

	if (!err)
		err = lock_name(instance, run_dir, error);
	if (err)
		return err;
	own_dir_make(LB_LOG_DIR); /* what is wrong with it shows when a file is opened */
	return instance_make(run_dir, error);
}

void instance_hand_on(int control)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %d %d %d", getpid(), lock_fd, name_fd, control);
	setenv(HANDED_ON, text, 1);
	fcntl(lock_fd, F_SETFD, 0);
	fcntl(name_fd, F_SETFD, 0);
	fcntl(control, F_SETFD, 0);
}

static int take_on(int fd)
{
	return fd > STDERR_FILENO && !fcntl(fd, F_SETFD, FD_CLOEXEC) ? fd : -1;
}

bool instance_handed_on(int *control)
{
	const char *text = getenv(HANDED_ON);
	bool found;
	int pid, lock_from, name_from, control_from;

	found = text &&
		sscanf(text, "%d %d %d %d", &pid, &lock_from, &name_from, &control_from) == 4 &&
		pid == getpid();
	unsetenv(HANDED_ON);
	if (found) {
		lock_fd = take_on(lock_from);
		name_fd = take_on(name_from);
		name_lock_hold(name_fd);
		*control = take_on(control_from);
	}
	return found;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	remove(path);
	return 0;
}

/* Nothing is to be there; what is all the same has nobody left who would end it. */
struct clearing {
	const char *groups;
	uint64_t until_us; /* for all of them together */
};

static void kill_group(void *arg, const char *name)
{
	const struct clearing *clearing = arg;
	char path[PATH_MAX];

	if (!cgroup_nth(clearing->groups, name, 0, path))
		cgroup_kill(path);
}

static void clear_group(void *arg, const char *name)
{
	const struct clearing *clearing = arg;
	uint64_t now_us = clock_us(), until_us = clearing->until_us;

	char path[PATH_MAX], text[PROCESS_TEXT_BYTES];

	if (cgroup_clear(clearing->groups, name,
			 now_us < until_us ? (int)((until_us - now_us) / 1000) : 0) == -EBUSY &&
	    !cgroup_nth(clearing->groups, name, 0, path))
		log_warning("%s of %s does not end: end it, or who holds it; it stays, and its "
			    "control group %s",
			    process_describe(cgroup_first(path), text), name, path);
}

static int remove_groups(const char *cgroup)
{
	struct clearing clearing = {cgroup, clock_us() + GROUP_TIMEOUT_US};
	int err = cgroup_each(cgroup, kill_group, &clearing);

	if (!err)
		err = cgroup_each(cgroup, clear_group, &clearing);
	rmdir(cgroup);
	return err;
}

int instance_remove(const char *run_dir, const char *cgroup)
{
	int err = cgroup ? remove_groups(cgroup) : 0;

	if (nftw(run_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		return -errno;
	return !err && !access(run_dir, F_OK) ? -ENOTEMPTY : err;
}

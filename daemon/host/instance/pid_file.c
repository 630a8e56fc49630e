/* SPDX-License-Identifier: Apache-2.0 */
#include "host/instance/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/open_file.h"
#include "base/place.h"
#include "base/publish.h"
#include "host/process/process.h"
#include "host/process/process_life.h"

enum { SLACK_US = 1000 * 1000 }; /* between clocks */

static const char what[] = "pid_file ";

struct content {
	pid_t pid;          /* 0: none */
	bool is_number;     /* and nothing else; or nothing at all */
	bool is_regular;    /* a file */
	bool outlives_boot; /* what is in memory alone does not */
	int64_t written_us;
};

/* "123", and blanks around it. */
static void parse_pid(const char *text, struct content *content)
{
	const char *at = text + strspn(text, " \t\n");
	size_t digits = strspn(at, "0123456789");
	long pid = strtol(at, NULL, 10);

	content->is_number = !at[digits + strspn(at + digits, " \t\n")] && pid < INT32_MAX;
	content->pid = content->is_number ? (pid_t)pid : 0;
}

static int read_open(int fd, struct content *content)
{
	char text[64] = "";
	struct statfs fs;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) || fstatfs(fd, &fs))
		return -errno;
	content->is_regular = S_ISREG(st.st_mode);
	content->outlives_boot = fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC;
	content->written_us = st.st_mtim.tv_sec * 1000000ll + st.st_mtim.tv_nsec / 1000;
	if (!content->is_regular)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	if (n < (ssize_t)sizeof(text) - 1 && strlen(text) == (size_t)n)
		parse_pid(text, content);
	return 0;
}

/* -ENOENT: it is not there; other errors: what is there is not known. */
static int read_content(const char *path, struct content *content, struct error *error)
{
	int fd = open_file(what, path, O_RDONLY, geteuid(), error), err;

	*content = (struct content){0};
	if (fd < 0)
		return fd;
	err = read_open(fd, content);
	close(fd);
	return err ? error_set(error, err, "%s%s: cannot be read: %s", what, path, strerror(-err))
		   : 0;
}

/* Not one that has ended and that nobody has reaped; nor is a number that a thread has by now its process's. */
static bool still_runs(pid_t pid)
{
	struct process_stat stat;
	int pidfd = process_open(pid);

	if (pidfd == -ESRCH || pidfd == -EINVAL || pidfd == -ENOENT)
		return false;
	if (pidfd >= 0)
		close(pidfd);
	return process_stat(pid, &stat) || (stat.state != 'Z' && stat.state != 'X');
}

/*
 * Has another process this number by now?  Whoever writes its own number has begun before that.  Where it is not
 * known when it began, it is taken for the one.  A time before this boot, or one to come, is of
 * another clock than that of now: of the boot before, where the file system outlives that.
 */
static bool began_after(const struct content *content)
{
	struct timespec now, since_boot;
	int64_t now_us, boot_us;
	uint64_t ticks;

	clock_gettime(CLOCK_REALTIME, &now);
	clock_gettime(CLOCK_BOOTTIME, &since_boot);
	now_us = now.tv_sec * 1000000ll + now.tv_nsec / 1000;
	boot_us = now_us - (since_boot.tv_sec * 1000000ll + since_boot.tv_nsec / 1000);
	if (content->written_us < boot_us - SLACK_US || content->written_us > now_us + SLACK_US)
		return content->outlives_boot;
	if (process_start_ticks(content->pid, &ticks))
		return false;
	return now_us - (int64_t)(clock_us() - process_started_us(ticks)) >
	       content->written_us + SLACK_US;
}

int pid_file_check_content(const char *path, pid_t own, struct error *error)
{
	char name[PROCESS_NAME_BYTES];
	struct content content;
	int err = read_content(path, &content, error);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (!content.is_regular)
		return error_set(error, -EINVAL, "%s%s: is a device; name a regular file", what,
				 path);
	if (!content.is_number)
		return error_set(error, -EEXIST,
				 "%s%s: holds what is no process number, and lbd writes over "
				 "nothing else: name a file of lbd's own, or remove this one",
				 what, path);
	if (!content.pid || content.pid == own || !still_runs(content.pid) || began_after(&content))
		return 0;
	return error_set(error, -EEXIST,
			 "%s%s: holds the number of %s (pid %d), which runs: name a file of "
			 "lbd's own, or end that first",
			 what, path, process_name(content.pid, name), content.pid);
}

int pid_file_check_place(const char *path, struct error *error)
{
	struct place place;
	int err = place_find(what, path, geteuid(), &place, error);

	if (err)
		return err;
	err = place_check_root(&place, "could have whoever reads it signal any process as root",
			       error);
	place_close(&place);
	return err;
}

int pid_file_check(const char *path, pid_t own, struct error *error)
{
	int err = pid_file_check_place(path, error);

	return err ? err : pid_file_check_content(path, own, error);
}

static void print_pid(FILE *file, const void *arg)
{
	(void)arg;
	fprintf(file, "%d\n", getpid());
}

int pid_file_write(const char *path, struct error *error)
{
	int err = pid_file_check(path, getpid(), error);

	return err ? err : publish(what, path, 0644, print_pid, NULL, error);
}

/* Where it was written: not where a path leads that somebody has changed since. */
static int remove_own(const char *path, const char *kept, struct error *error)
{
	struct content content;
	struct place place;
	bool is_kept = false;
	int err = kept ? place_is_same(what, path, kept, &is_kept, error) : 0;

	if (err || is_kept)
		return err;
	err = read_content(path, &content, error);
	if (err || content.pid != getpid())
		return err;
	err = place_find(what, path, geteuid(), &place, error);
	if (err)
		return err;
	if (unlinkat(place.dir, place.name, 0))
		err = error_set(error, -errno, "%s%s: cannot be removed: %s", what, path,
				strerror(errno));
	place_close(&place);
	return err;
}

void pid_file_remove(const char *path, const char *kept)
{
	struct error error;
	int err = remove_own(path, kept, &error);

	if (err && err != -ENOENT)
		log_warning("%s; it stays, perhaps with lbd's number: remove it", error.text);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/instance/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/open_file.h"
#include "base/place.h"
#include "base/publish.h"
#include "host/process/process.h"
#include "host/process/process_life.h"

enum { SLACK_US = 1000 * 1000 }; /* between clocks */

static void print_pid(FILE *file, const void *arg)
{
	(void)arg;
	fprintf(file, "%d\n", getpid());
}

/* What it holds, and when that was written; 0: it is not there, or holds no number. */
static pid_t read_pid(const char *path, int64_t *written_us)
{
	int fd = open_file("pid_file ", path, O_RDONLY, geteuid(), &(struct error){0});
	char text[32] = "", *end;
	struct stat st = {0};
	ssize_t n;
	long pid;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0 || fstat(fd, &st))
		*text = '\0';
	close(fd);
	*written_us = st.st_mtim.tv_sec * 1000000ll + st.st_mtim.tv_nsec / 1000;
	pid = strtol(text, &end, 10);
	return end != text && (!*end || *end == '\n') && pid > 0 && pid < INT32_MAX ? (pid_t)pid
										    : 0;
}

/*
 * Has another process this number by now?  Whoever writes its own number has begun before that.  Where it is not
 * known when it began, it is taken for the one.
 */
static bool began_after(pid_t pid, int64_t written_us)
{
	struct timespec now;
	uint64_t ticks;

	if (process_start_ticks(pid, &ticks))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000ll + now.tv_nsec / 1000 -
		       (int64_t)(clock_us() - process_started_us(ticks)) >
	       written_us + SLACK_US;
}

int pid_file_check_other(const char *path, pid_t own, struct error *error)
{
	int64_t written_us = 0;
	pid_t pid = read_pid(path, &written_us);
	char name[PROCESS_NAME_BYTES];

	if (!pid || pid == own || (kill(pid, 0) && errno == ESRCH) || began_after(pid, written_us))
		return 0;
	return error_set(error, -EEXIST,
			 "pid_file %s: holds the number of %s (pid %d), which runs: name a file of "
			 "lbd's own, or end that first",
			 path, process_name(pid, name), pid);
}

int pid_file_check_place(const char *path, struct error *error)
{
	struct place place;
	int err = place_find("pid_file ", path, geteuid(), &place, error);

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

	return err ? err : pid_file_check_other(path, own, error);
}

int pid_file_write(const char *path, struct error *error)
{
	int err = pid_file_check(path, getpid(), error);

	return err ? err : publish("pid_file ", path, 0644, print_pid, NULL, error);
}

/* Where it was written: not where a path leads that somebody has changed since. */
void pid_file_remove(const char *path)
{
	struct place place;
	struct error ignored;
	int64_t written_us;

	if (read_pid(path, &written_us) != getpid() ||
	    place_find("pid_file ", path, geteuid(), &place, &ignored))
		return;
	unlinkat(place.dir, place.name, 0);
	place_close(&place);
}

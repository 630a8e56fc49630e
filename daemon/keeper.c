/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "output.h"
#include "process.h"

enum { END_TIMEOUT_MS = 10000, PAUSE_US = 1000000 };

#define COMM "lbd-output"

struct keeper {
	sd_event *event;
	const char *run_dir;
	pid_t pid;
	sd_event_source *source; /* its pidfd */
	sd_event_source *pause;  /* until another is started */
};

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg);

static int open_lock(const char *run_dir)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/output", run_dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/output/keeper", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

/* 0: nobody. */
static pid_t holder(int fd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_GETLK, &whole) || whole.l_type == F_UNLCK ? 0 : whole.l_pid;
}

static int end_process(pid_t pid, int lock)
{
	int pidfd = process_open(pid), done = 0;
	struct pollfd end = {.fd = pidfd, .events = POLLIN};

	if (pidfd < 0)
		return pidfd == -ESRCH ? 0 : pidfd;
	/* The pid may be another process's by now: not if it still holds the lock. */
	if (holder(lock) == pid) {
		process_signal(pidfd, SIGKILL);
		done = poll(&end, 1, END_TIMEOUT_MS);
		waitpid(pid, NULL, WNOHANG); /* of this lbd, or of the program before a reexec */
	}
	close(pidfd);
	return done || holder(lock) != pid ? 0 : -ETIMEDOUT;
}

int keeper_end(const char *run_dir, struct error *error)
{
	int fd = open_lock(run_dir), err = 0;
	pid_t pid;

	if (fd < 0)
		return error_set(error, fd, "%s/output/keeper: %s", run_dir, strerror(-fd));
	while (!err && (pid = holder(fd)))
		err = end_process(pid, fd);
	close(fd);
	if (err)
		error_set(error, err, "pid %d, which kept the output of workers, does not end: %s",
			  pid, strerror(-err));
	return err;
}

static _Noreturn void run_program(const char *run_dir, pid_t lbd)
{
	char number[16];
	char *argv[] = {(char *)"lbd", (char *)"--keep-output", number, (char *)run_dir, NULL};
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	snprintf(number, sizeof(number), "%d", lbd);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
	/* This very version, whatever has been installed since. */
	execv("/proc/self/exe", argv);
	_exit(127);
}

static int watch(struct keeper *keeper)
{
	pid_t lbd = getpid();
	int pidfd, err;

	keeper->pid = fork();
	if (keeper->pid < 0)
		return -errno;
	if (!keeper->pid)
		run_program(keeper->run_dir, lbd);
	pidfd = process_open(keeper->pid);
	if (pidfd < 0)
		return pidfd;
	err = sd_event_add_io(keeper->event, &keeper->source, pidfd, EPOLLIN, on_end, keeper);
	if (err < 0)
		close(pidfd);
	else
		sd_event_source_set_io_fd_own(keeper->source, 1);
	return err < 0 ? err : 0;
}

static int on_pause(sd_event_source *source, uint64_t now, void *arg)
{
	struct keeper *keeper = arg;
	int err = watch(keeper);

	(void)source, (void)now;
	if (err)
		log_warning("the keeper of the output: %s", strerror(-err));
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct keeper *keeper = arg;

	(void)source, (void)fd, (void)events;
	keeper->source = sd_event_source_disable_unref(keeper->source);
	waitpid(keeper->pid, NULL, WNOHANG);
	log_warning("pid %d, which keeps the output of workers when lbd dies, has ended; started "
		    "again",
		    keeper->pid);
	clock_arm(keeper->event, &keeper->pause, PAUSE_US, on_pause, keeper);
	return 0;
}

int keeper_start(sd_event *event, const char *run_dir, struct keeper **out, struct error *error)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));
	int err;

	if (!keeper)
		return error_set(error, -ENOMEM, "out of memory");
	*out = keeper;
	keeper->event = event;
	keeper->run_dir = run_dir;
	err = watch(keeper);
	return err ? error_set(error, err, "the keeper of the output: %s", strerror(-err)) : 0;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	sd_event_source_disable_unref(keeper->source);
	sd_event_source_disable_unref(keeper->pause);
	free(keeper);
}

/* Each FIFO that somebody may still write to. */
struct kept {
	sd_event *event;
	unsigned count;
};

static void on_ended(void *arg)
{
	struct kept *kept = arg;

	if (!--kept->count)
		sd_event_exit(kept->event, 0);
}

static void keep_one(struct kept *kept, const char *dir, const char *name)
{
	char fifo[2 * PATH_MAX];
	const char *dot = strrchr(name, '.');

	if (!dot || strcmp(dot, ".to"))
		return;
	snprintf(fifo, sizeof(fifo), "%s/%.*s", dir, (int)(dot - name), name);
	if (!output_keep(kept->event, fifo, on_ended, kept))
		kept->count++;
}

static void keep_all(struct kept *kept, const char *run_dir)
{
	char dir[PATH_MAX];
	struct dirent *entry;
	DIR *entries;

	snprintf(dir, sizeof(dir), "%s/output", run_dir);
	entries = opendir(dir);
	while (entries && (entry = readdir(entries)))
		keep_one(kept, dir, entry->d_name);
	if (entries)
		closedir(entries);
}

static void await_death(pid_t lbd)
{
	struct pollfd end = {.fd = process_open(lbd), .events = POLLIN};

	if (end.fd < 0 || getppid() != lbd)
		return;
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	close(end.fd);
}

/*
 * lbd takes its own lock and then looks for ours, we the other way round: one of the two sees the other.
 */
static bool has_successor(const char *run_dir)
{
	char path[PATH_MAX];
	bool held;
	int fd;

	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	held = fd >= 0 && holder(fd);
	if (fd >= 0)
		close(fd);
	return held;
}

int keeper_run(const char *run_dir, pid_t lbd)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int lock = open_lock(run_dir);
	struct kept kept = {0};

	prctl(PR_SET_NAME, COMM);
	/* One at a time: lbd has ended the one before. */
	if (lock < 0 || fcntl(lock, F_SETLK, &whole) || sd_event_new(&kept.event) < 0)
		return 1;
	await_death(lbd);
	if (has_successor(run_dir))
		return 0;
	keep_all(&kept, run_dir);
	return kept.count && sd_event_loop(kept.event) < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TRACERS = 256 }; /* at a time: some 20 ms */

/* As of Linux 6.15; older headers lack it. */
struct pidfd_exit_info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
enum { PIDFD_EXIT_INFO = 1U << 3 };
#define PIDFD_EXIT_IOCTL _IOWR(0xFF, 11, struct pidfd_exit_info)

static int read_stat(pid_t pid, char *text, size_t room)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, text, room - 1);
	close(fd);
	if (n <= 0)
		return -ESRCH;
	text[n] = 0;
	return 0;
}

int process_stat(pid_t pid, struct process_stat *stat)
{
	unsigned long long field[50] = {0};
	char text[1024], *rest;
	int err = read_stat(pid, text, sizeof(text));

	if (err)
		return err;
	/* The name in field 2 may hold blanks and brackets: count from its last one. */
	rest = strrchr(text, ')');
	if (!rest || !rest[1] || !rest[2])
		return -EINVAL;
	stat->state = rest[2];
	rest += 3;
	for (unsigned n = 0; n < 49; n++)
		field[n] = strtoull(rest, &rest, 10); /* field[n] is number n + 4 there */
	stat->parent = field[0];
	stat->group = field[1];
	stat->session = field[2];
	stat->start_ticks = field[22 - 4];
	stat->resident_bytes = field[24 - 4] * sysconf(_SC_PAGESIZE);
	stat->exit_code = field[52 - 4];
	return 0;
}

/* So many numbers of one line of it, see proc(5); the id may be a thread's. */
static int read_status(pid_t pid, const char *format, int wanted, unsigned numbers[4])
{
	char path[64], line[128];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, format, &numbers[0], &numbers[1], &numbers[2], &numbers[3]) ==
			wanted;
	if (file)
		fclose(file);
	return found ? 0 : -ESRCH;
}

int process_user(pid_t pid, uid_t *effective, uid_t *real)
{
	uid_t users[4] = {0};
	int err = read_status(pid, "Uid: %u %u", 2, users);

	if (!err && real)
		*real = users[0];
	if (!err && effective)
		*effective = users[1];
	return err;
}

bool process_is_root(pid_t pid)
{
	uid_t users[4];

	return !read_status(pid, "Uid: %u %u %u %u", 4, users) &&
	       !(users[0] | users[1] | users[2] | users[3]);
}

static int64_t between_us(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000ll + (to->tv_nsec - from->tv_nsec) / 1000;
}

/* How long the machine was suspended since its boot; not how long this process waited between two clocks. */
static uint64_t suspended_us(void)
{
	enum { TOGETHER_US = 1000, TURNS = 100 };
	struct timespec before, boot, after;

	for (int turn = 0; turn < TURNS; turn++) {
		clock_gettime(CLOCK_MONOTONIC, &before);
		clock_gettime(CLOCK_BOOTTIME, &boot);
		clock_gettime(CLOCK_MONOTONIC, &after);
		if (between_us(&before, &after) < TOGETHER_US)
			break;
	}
	return between_us(&before, &boot);
}

uint64_t process_started_us(uint64_t start_ticks)
{
	/* Ticks count from boot, suspended time included; the monotonic clock leaves that out. */
	uint64_t since_boot = start_ticks * 1000000 / sysconf(_SC_CLK_TCK);
	uint64_t suspended = suspended_us();

	return since_boot > suspended ? since_boot - suspended : 0;
}

int process_open(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int process_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno : 0;
}

static int status_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return W_EXITCODE(info->si_status, 0);
	return W_EXITCODE(0, info->si_status) | (info->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

int process_status(int pidfd, pid_t pid, int *status)
{
	struct pidfd_exit_info exit_info = {.mask = PIDFD_EXIT_INFO};
	siginfo_t info = {0};
	struct process_stat stat;

	bool is_child = !waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG);

	if (is_child && info.si_pid) {
		*status = status_of(&info);
		return 0;
	}
	if (!process_stat(pid, &stat) && stat.state == 'Z') {
		*status = stat.exit_code;
		return 0;
	}
	if (is_child)
		return -EAGAIN;
	if (ioctl(pidfd, PIDFD_EXIT_IOCTL, &exit_info) || !(exit_info.mask & PIDFD_EXIT_INFO))
		return -ENODATA;
	*status = exit_info.exit_code;
	return 0;
}

/* Of a thread in a tracing stop, 't' in proc(5): the thread that traces it, and its user; 0: none. */
static pid_t read_tracer(pid_t pid, pid_t thread, uid_t *user)
{
	char path[64], line[128], state = 0;
	int tracer = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, thread);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "State: %c", &state) != 1 &&
		    sscanf(line, "TracerPid: %d", &tracer) != 1 &&
		    sscanf(line, "Uid: %*u %u", user) == 1)
			break;
	if (file)
		fclose(file);
	return state == 't' ? tracer : 0;
}

/* A thread's id is no process's: pidfd_open(2) takes the leader's only. */
static pid_t process_of(pid_t thread)
{
	unsigned numbers[4] = {0};

	read_status(thread, "Tgid: %u", 1, numbers);
	return (pid_t)numbers[0];
}

/* Goes on to the thread that traced. */
static bool kill_tracer_of(pid_t *pid, pid_t *thread)
{
	uid_t user = 0, other = 0;
	pid_t tracer = read_tracer(*pid, *thread, &user);
	pid_t leader = tracer ? process_of(tracer) : 0;
	int pidfd = leader ? process_open(leader) : -1;
	bool is_killed = false;

	/* Now that it is held: still the one. */
	if (pidfd >= 0 && !process_user(leader, &other, NULL) && other == user &&
	    read_tracer(*pid, *thread, &user) == tracer && process_of(tracer) == leader)
		is_killed = !process_signal(pidfd, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
	*pid = leader;
	*thread = tracer;
	return is_killed;
}

/* A tracer may itself be held by one, and so on; those that trace each other have no end. */
pid_t process_kill_tracer(pid_t pid)
{
	unsigned left = MAX_TRACERS;
	struct dirent *entry;
	pid_t found = 0;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && left && (entry = readdir(dir))) {
		pid_t holder = pid, thread = atoi(entry->d_name);
		bool goes_on = thread > 0;

		while (goes_on && left) {
			goes_on = kill_tracer_of(&holder, &thread);
			found = found ? found : holder;
			left -= goes_on;
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

pid_t process_tracer(pid_t pid)
{
	unsigned numbers[4] = {0};

	read_status(pid, "TracerPid: %u", 1, numbers);
	return (pid_t)numbers[0];
}

unsigned process_signal_session(pid_t session, uint64_t not_before_ticks, int signal)
{
	struct process_stat stat;
	struct dirent *entry;
	unsigned found = 0;
	DIR *dir = opendir("/proc");

	while (dir && (entry = readdir(dir))) {
		pid_t pid = atoi(entry->d_name);

		if (pid <= 1 || process_stat(pid, &stat) || stat.session != session ||
		    stat.start_ticks < not_before_ticks || stat.state == 'Z' || stat.state == 'X')
			continue;
		found++;
		if (signal)
			kill(pid, signal);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/process_life.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/process/inspect.h"
#include "host/process/process.h"

/* As of Linux 6.15; older headers lack it. */
struct pidfd_exit_info {
	uint64_t mask, cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
enum { PIDFD_EXIT_INFO = 1U << 3 };
#define PIDFD_EXIT_IOCTL _IOWR(0xFF, 11, struct pidfd_exit_info)

enum { FORKED_NO_EXEC = 0x40 }; /* PF_FORKNOEXEC of the kernel's linux/sched.h */

int process_start_ticks(pid_t pid, uint64_t *ticks)
{
	struct lb_task task;
	int err = inspect_task(pid, &task);

	if (!err)
		*ticks = task.start_ns / (1000000000 / sysconf(_SC_CLK_TCK));
	return err;
}

bool process_is_fork(pid_t pid)
{
	struct lb_task task;

	return !inspect_task(pid, &task) && task.flags & FORKED_NO_EXEC;
}

static int64_t between_us(const struct timespec *from, const struct timespec *to)
{
	return (to->tv_sec - from->tv_sec) * 1000000ll + (to->tv_nsec - from->tv_nsec) / 1000;
}

/*
 * How long the machine was suspended since its boot (less in a time namespace, or more); not how long this process
 * waited between two clocks.
 */
static int64_t suspended_us(void)
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

/* What our time namespace adds to the time since boot, see time_namespaces(7); a kernel without has no such file. */
static int64_t boot_offset_us(void)
{
	FILE *file = fopen("/proc/self/timens_offsets", "re");
	long long seconds = 0, ns = 0;
	char line[80];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "boottime %lld %lld", &seconds, &ns) == 2)
			break;
	if (file)
		fclose(file);
	return seconds * 1000000 + ns / 1000;
}

uint64_t process_started_us(uint64_t start_ticks)
{
	/* Ticks count from boot, suspended time included; the monotonic clock leaves that out. */
	int64_t since_boot = (int64_t)(start_ticks * 1000000 / sysconf(_SC_CLK_TCK));
	int64_t started = since_boot + boot_offset_us() - suspended_us();

	return started > 0 ? started : 0;
}

static int status_of(const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED)
		return W_EXITCODE(info->si_status, 0);
	return W_EXITCODE(0, info->si_status) | (info->si_code == CLD_DUMPED ? WCOREFLAG : 0);
}

/*
 * Of a zombie: that executes nothing any more, and so its PID/stat can be read, see inspect.h.  Not by BPF: who waits
 * for a hook has no right to that.
 */
static int read_exit_code(pid_t pid, int *code)
{
	enum {
		FIELD = 52,
		AFTER_NAME = 3
	}; /* of proc(5); the name in field 2 may hold blanks and brackets */
	char path[64], text[1024], *rest = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file))
		rest = strrchr(text, ')');
	if (file)
		fclose(file);
	for (int field = AFTER_NAME; rest && field <= FIELD; field++)
		rest = strchr(rest + 1, ' ');
	if (!rest)
		return -ESRCH;
	*code = (int)strtol(rest, NULL, 10);
	return 0;
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
	if (!process_stat(pid, &stat) && stat.state == 'Z' && !read_exit_code(pid, status))
		return 0;
	if (is_child)
		return -EAGAIN;
	if (ioctl(pidfd, PIDFD_EXIT_IOCTL, &exit_info) || !(exit_info.mask & PIDFD_EXIT_INFO))
		return -ENODATA;
	*status = exit_info.exit_code;
	return 0;
}

static bool is_of_session(pid_t pid, pid_t session, uint64_t not_before_ticks)
{
	struct process_stat stat;
	uint64_t start_ticks;

	return pid > 1 && !process_stat(pid, &stat) && stat.session == session &&
	       stat.state != 'Z' && stat.state != 'X' && !process_start_ticks(pid, &start_ticks) &&
	       start_ticks >= not_before_ticks;
}

/* The next of it in the directory /proc, 0: there is none. */
static pid_t next_of_session(DIR *proc, pid_t session, uint64_t not_before_ticks)
{
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (is_of_session(atoi(entry->d_name), session, not_before_ticks))
			return atoi(entry->d_name);
	return 0;
}

unsigned process_signal_session(pid_t session, uint64_t not_before_ticks, int signal)
{
	DIR *proc = opendir("/proc");
	unsigned found = 0;
	pid_t pid;

	for (; (pid = next_of_session(proc, session, not_before_ticks)); found++)
		if (signal)
			kill(pid, signal);
	if (proc)
		closedir(proc);
	return found;
}

pid_t process_first_of_session(pid_t session, uint64_t not_before_ticks)
{
	DIR *proc = opendir("/proc");
	pid_t first = next_of_session(proc, session, not_before_ticks);

	if (proc)
		closedir(proc);
	return first;
}

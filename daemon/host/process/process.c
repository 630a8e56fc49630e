/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/printable.h"

enum { MAX_TRACERS = 256 };  /* at a time: some 20 ms */
enum { MAX_ENDED = 256 };    /* threads, likewise: they last while they are traced */
enum { OF_THREAD = O_EXCL }; /* PIDFD_THREAD of pidfd_open(2), which older headers lack */

const char *process_name(pid_t pid, char name[PROCESS_NAME_BYTES])
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, name, PROCESS_NAME_BYTES - 1);
		close(fd);
	}
	if (n <= 0) {
		snprintf(name, PROCESS_NAME_BYTES, "?");
		return name;
	}
	name[n] = '\0';
	/* A process names itself as it likes; this is shown on terminals. */
	printable_line(name, strcspn(name, "\n"));
	return name;
}

static int open_status(pid_t pid, pid_t thread, FILE **file)
{
	char path[64];

	/* What is said of its first thread is said of the process as well. */
	if (thread == pid)
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
	else
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, thread);
	*file = fopen(path, "re");
	if (*file)
		return 0;
	return errno == ENOENT ? -ESRCH : -errno;
}

static int read_stat(pid_t pid, pid_t thread, struct process_stat *stat)
{
	unsigned long long resident_kib;
	char line[256];
	FILE *file;
	int err = open_status(pid, thread, &file), seen = 0;

	if (err)
		return err;
	*stat = (struct process_stat){.thread = thread}; /* a zombie has no memory */
	while (fgets(line, sizeof(line), file)) {
		seen += sscanf(line, "State: %c", &stat->state) == 1;
		seen += sscanf(line, "PPid: %d", &stat->parent) == 1;
		seen += sscanf(line, "NSpgid: %d", &stat->group) == 1;
		seen += sscanf(line, "NSsid: %d", &stat->session) == 1;
		seen += sscanf(line, "Threads: %u", &stat->threads) == 1;
		if (sscanf(line, "VmRSS: %llu", &resident_kib) == 1)
			stat->resident_bytes = resident_kib * 1024;
	}
	err = ferror(file) ? -errno : -ESRCH;
	fclose(file);
	return seen == 5 ? 0 : err;
}

static bool has_ended(const struct process_stat *stat)
{
	return stat->state == 'Z' || stat->state == 'X';
}

static DIR *open_threads(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return opendir(path);
}

/* Its first thread has ended: the first other that has not, if there is one. */
static void find_living(pid_t pid, struct process_stat *stat)
{
	DIR *dir = open_threads(pid);
	unsigned left = MAX_ENDED;
	struct process_stat other;
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		pid_t thread = atoi(entry->d_name);

		if (thread <= 0 || thread == pid || read_stat(pid, thread, &other))
			continue;
		/* More than these are not looked at: nobody has said that they have ended. */
		if (!left--)
			other.state = '?';
		found = !has_ended(&other);
	}
	if (found)
		*stat = other;
	if (dir)
		closedir(dir);
}

int process_stat(pid_t pid, struct process_stat *stat)
{
	int err = read_stat(pid, pid, stat);

	if (!err && has_ended(stat) && stat->threads > 1)
		find_living(pid, stat);
	return err;
}

const char *process_describe(pid_t pid, char text[PROCESS_TEXT_BYTES])
{
	struct process_stat stat;

	if (process_stat(pid, &stat))
		snprintf(text, PROCESS_TEXT_BYTES, "pid %d", pid);
	else
		snprintf(text, PROCESS_TEXT_BYTES, "pid %d (state %c, TracerPid %d)", pid,
			 stat.state, process_tracer(stat.thread));
	return text;
}

/* So many numbers of one line of it, see proc(5); the id may be a thread's. */
static int read_status(pid_t pid, const char *format, int wanted, unsigned numbers[4])
{
	char line[128];
	bool found = false;
	FILE *file;

	if (open_status(pid, pid, &file))
		return -ESRCH;
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, format, &numbers[0], &numbers[1], &numbers[2], &numbers[3]) ==
			wanted;
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

int process_open(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int process_open_thread(pid_t pid, pid_t thread)
{
	int fd = syscall(SYS_pidfd_open, thread, thread == pid ? 0 : OF_THREAD);

	return fd < 0 ? -errno : fd;
}

int process_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) ? -errno : 0;
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
	DIR *dir = open_threads(pid);

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

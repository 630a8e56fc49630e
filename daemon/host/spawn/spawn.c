/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/spawn/spawn_child.h"

enum { EXEC_TIMEOUT_MS = 5000 };

/* fork() with a pidfd, straight into the cgroup where the kernel can (5.7): moving in later waits
 * for a grace period. */
static int fork_into(const char *cgroup, int *pidfd)
{
	int dir = cgroup ? cgroup_open(cgroup) : -1;
	struct clone_args args = {.flags = CLONE_PIDFD,
				  .pidfd = (uint64_t)(uintptr_t)pidfd,
				  .exit_signal = SIGCHLD};
	pid_t pid = -1;

	if (dir >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = dir;
		pid = syscall(SYS_clone3, &args, sizeof(args));
	}
	if (pid < 0) {
		args.flags = CLONE_PIDFD;
		args.cgroup = 0;
		pid = syscall(SYS_clone3, &args, sizeof(args));
		/* Outside of it its listener would be taken for somebody else's. */
		if (pid > 0 && cgroup && cgroup_add(cgroup, pid)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			close(*pidfd);
			*pidfd = -1;
			errno = EACCES;
			pid = -1;
		}
	}
	if (pid < 0)
		pid = -errno;
	if (pid && dir >= 0)
		close(dir);
	return pid;
}

int spawn_fork(const struct spawn *spawn, struct spawn_child *child, struct error *error)
{
	int go[2] = {-1, -1}, report[2] = {-1, -1};
	pid_t pid = -EMFILE;

	*child = SPAWN_NO_CHILD;
	if (pipe2(go, O_CLOEXEC) || pipe2(report, O_CLOEXEC)) {
		pid = -errno;
		goto out;
	}
	pid = fork_into(spawn->cgroup, &child->pidfd);
	if (!pid) {
		close(go[1]);
		close(report[0]);
		spawn_child_run(spawn, go[0], report[1]);
	}
	if (pid < 0)
		goto out;
	child->pid = pid;
	child->go = go[1];
	child->report = report[0];
	go[1] = report[0] = -1;
out:
	for (int i = 0; i < 2; i++) {
		if (go[i] >= 0)
			close(go[i]);
		if (report[i] >= 0)
			close(report[i]);
	}
	if (pid < 0)
		return error_set(error, pid, "command %s: fork: %s", spawn->argv[0],
				 strerror(-pid));
	return 0;
}

void spawn_go(struct spawn_child *child)
{
	/* No SIGPIPE if the child has been killed meanwhile: the answer shows it. */
	sigset_t pipe_only, before;
	struct timespec none = {0};

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigprocmask(SIG_BLOCK, &pipe_only, &before);
	if (write(child->go, "", 1) < 0 && errno == EPIPE && !sigismember(&before, SIGPIPE))
		sigtimedwait(&pipe_only, NULL, &none);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(child->go);
	child->go = -1;
}

#define HIDDEN "; by private_tmp its /tmp and /var/tmp are empty: name a place elsewhere"

static int describe_directory(const struct spawn *spawn, int code, struct error *error)
{
	const char *hint = confine_hides(&spawn->confinement, spawn->directory)
				   ? HIDDEN
				   : "; it must be there, and the worker's user must be able to "
				     "enter it";

	return error_set(error, -code, "directory %s: %s%s", spawn->directory, strerror(code),
			 hint);
}

static int describe_exec(const struct spawn *spawn, int code, struct error *error)
{
	const char *hint = "";

	if (confine_hides(&spawn->confinement, spawn->argv[0]))
		hint = HIDDEN;
	else if (spawn->no_shell)
		hint = "";
	else if (code == ENOENT)
		hint = "; give a path, or a program in the worker's PATH, with an interpreter "
		       "that is there";
	else if (code == EACCES)
		hint = "; it must be executable for the worker's user";
	return error_set(error, -code, "command %s: %s%s", spawn->argv[0], strerror(code), hint);
}

static int describe_hook(const struct spawn *spawn, const struct spawn_report *report,
			 struct error *error)
{
	const char *hook = spawn->hook ? spawn->hook[0] : "";

	if (report->error)
		return error_set(error, -report->error, "before_start %s: %s", hook,
				 strerror(report->error));
	if (WIFSIGNALED(report->status))
		return error_set(error, -ECANCELED, "before_start %s: killed by SIG%s", hook,
				 sigabbrev_np(WTERMSIG(report->status)));
	return error_set(error, -ECANCELED,
			 "before_start %s: exit code %d; 0 lets the worker start", hook,
			 WEXITSTATUS(report->status));
}

/* Where the path is not there, nothing else is to blame.  Of private_tmp's none need be. */
static int describe_mounts(const struct spawn_report *report, struct error *error)
{
	int code = -report->error, length = (int)sizeof(report->path);
	const char *why = strerror(report->error);

	if (code == -ENOENT || code == -ENOTDIR || code == -ELOOP || code == -EACCES)
		return error_set(error, code, "read_only %.*s: %s; name a path that is there",
				 length, report->path, why);
	return error_set(error, code,
			 "private_tmp, read_only: %.*s: %s; they need a mount namespace, "
			 "CAP_SYS_ADMIN and, for read_only, Linux 5.12",
			 length, report->path, why);
}

static int describe_report(const struct spawn *spawn, const struct spawn_report *report,
			   struct error *error)
{
	const char *why = strerror(report->error);
	int code = -report->error;

	switch (report->step) {
	case SPAWN_STEP_SETUP:
		return error_set(error, code, "descriptors: %s", why);
	case SPAWN_STEP_NOFILE:
		return error_set(error, code, "limit nofile %llu: %s",
				 (unsigned long long)spawn->nofile, why);
	case SPAWN_STEP_CORE:
		return error_set(error, code, "limit core %llu: %s",
				 (unsigned long long)spawn->core, why);
	case SPAWN_STEP_NICE:
		return error_set(error, code, "nice %d: %s; allowed are -20 to 19", spawn->nice,
				 why);
	case SPAWN_STEP_MOUNTS:
		return describe_mounts(report, error);
	case SPAWN_STEP_CAPABILITIES:
		return error_set(error, code,
				 "capabilities: %s; lbd can give only those that it has itself "
				 "(CapBnd in /proc/%d/status), and take some away with "
				 "CAP_SETPCAP",
				 why, getpid());
	case SPAWN_STEP_USER:
		return error_set(error, code, "user %s: %s; lbd must be root to change it",
				 spawn->user.name ? spawn->user.name : "", why);
	case SPAWN_STEP_DIRECTORY:
		return describe_directory(spawn, report->error, error);
	case SPAWN_STEP_HOOK:
		return describe_hook(spawn, report, error);
	case SPAWN_STEP_EXEC:
		break;
	}
	return describe_exec(spawn, report->error, error);
}

int spawn_result(const struct spawn *spawn, struct spawn_child *child, int timeout_ms,
		 struct error *error)
{
	struct pollfd ready = {.fd = child->report, .events = POLLIN};
	struct spawn_report report;
	ssize_t n;

	while ((n = poll(&ready, 1, timeout_ms)) < 0 && errno == EINTR)
		;
	if (!n)
		return error_set(error, -EAGAIN, "command %s: not started yet", spawn->argv[0]);
	n = read(child->report, &report, sizeof(report));
	close(child->report);
	child->report = -1;
	if (!n)
		return 0; /* closed by exec; one killed before shows by its pidfd */
	if (n != sizeof(report))
		return error_set(error, -EIO, "command %s: no word from its child", spawn->argv[0]);
	return describe_report(spawn, &report, error);
}

void spawn_abandon(struct spawn_child *child)
{
	siginfo_t info;

	if (child->pidfd >= 0) {
		process_signal(child->pidfd, SIGKILL);
		while (waitid(P_PIDFD, child->pidfd, &info, WEXITED) && errno == EINTR)
			;
		close(child->pidfd);
	}
	if (child->go >= 0)
		close(child->go);
	if (child->report >= 0)
		close(child->report);
	*child = SPAWN_NO_CHILD;
}

int spawn_run(const struct spawn *spawn, struct spawn_child *child, struct error *error)
{
	int err = spawn_fork(spawn, child, error);

	if (err)
		return err;
	spawn_go(child);
	err = spawn_result(spawn, child, EXEC_TIMEOUT_MS, error);
	if (err)
		spawn_abandon(child);
	return err;
}

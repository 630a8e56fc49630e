/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process/capabilities.h"
#include "host/process/close_range.h"
#include "host/process/name_lock.h"
#include "host/process/process.h"
#include "host/process/process_life.h"

enum {
	FIRST_LISTENER = 3, /* SD_LISTEN_FDS_START */
	ASIDE = 16,         /* descriptors are kept from here on while 0 to 4 are filled */
	NOT_STARTED = 127,  /* exit code, as a shell's */
	HOOK_END_MS = 1000, /* that one which was killed gets, so that it is reaped */
};

static _Noreturn void send_report(int report, const struct spawn_report *text)
{
	if (write(report, text, sizeof(*text)) < 0)
		_exit(NOT_STARTED);
	_exit(NOT_STARTED);
}

static _Noreturn void report_and_exit(int report, enum spawn_step step, int error, int status)
{
	struct spawn_report text = {.step = step, .error = error, .status = status};

	send_report(report, &text);
}

static _Noreturn void fail_at(int report, const char *path, int error)
{
	struct spawn_report text = {.step = SPAWN_STEP_MOUNTS, .error = error};

	snprintf(text.path, sizeof(text.path), "%s", path);
	send_report(report, &text);
}

/*
 * Not by sigaction(3), which keeps its hands off libc's own signals: posix_spawn(3), by which make starts lbd,
 * leaves them ignored.  rt_sigaction(2); all zero is SIG_DFL without flags on each architecture.
 */
static void reset_signals(void)
{
	static const unsigned long standard[8];
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		syscall(SYS_rt_sigaction, signal, standard, NULL, NSIG / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The parent's byte; without it there is no parent any more, nor a record of this process. */
static void wait_for_go(int go)
{
	ssize_t n;
	char byte;

	while ((n = read(go, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		_exit(NOT_STARTED);
}

/* 0 to 2, the listeners from 3 on, then the report; all else is closed.  Only 0 to 2 survive exec yet. */
static int put_descriptors(const struct spawn *spawn, int *report)
{
	int last = FIRST_LISTENER + spawn->listener_count;
	int aside[FIRST_LISTENER + SPAWN_MAX_LISTENERS];

	aside[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	aside[1] = spawn->out;
	aside[2] = spawn->err;
	for (unsigned i = 0; i < spawn->listener_count; i++)
		aside[FIRST_LISTENER + i] = spawn->listeners[i];
	for (int i = 0; i < last; i++)
		if ((aside[i] = fcntl(aside[i], F_DUPFD_CLOEXEC, ASIDE)) < 0)
			return -errno;
	for (int i = 0; i < last; i++)
		if (i < FIRST_LISTENER ? dup2(aside[i], i) < 0 : dup3(aside[i], i, O_CLOEXEC) < 0)
			return -errno;
	if (dup3(*report, last, O_CLOEXEC) < 0)
		return -errno;
	*report = last;
	return close_range_at_once(last + 1, ~0U);
}

static int pass_listeners(const struct spawn *spawn)
{
	for (unsigned i = 0; i < spawn->listener_count; i++)
		if (fcntl(FIRST_LISTENER + i, F_SETFD, 0))
			return -errno;
	return 0;
}

static int limit_resource(int resource, uint64_t value)
{
	struct rlimit limits = {.rlim_cur = value, .rlim_max = value};

	return value == UINT64_MAX || !setrlimit(resource, &limits) ? 0 : -errno;
}

static int renice(int value)
{
	return value == SPAWN_UNSET_NICE || !setpriority(PRIO_PROCESS, 0, value) ? 0 : -errno;
}

static void put_own_pid(const struct spawn *spawn)
{
	for (unsigned i = 0; i < 2; i++)
		if (spawn->own_pid[i])
			sprintf(spawn->own_pid[i], "%d", getpid());
}

/*
 * Waits for the hook until its deadline; then it and its children are killed.  Not with wait(2): who traces
 * it (ptrace(2)) could keep it from being reaped for good.
 */
static int wait_hook(pid_t hook, uint32_t timeout_ms, int *status)
{
	int pidfd = process_open(hook);
	struct pollfd done = {.fd = pidfd, .events = POLLIN};
	int n;

	if (pidfd < 0)
		return pidfd;
	while ((n = poll(&done, 1, timeout_ms ? (int)timeout_ms : -1)) < 0 && errno == EINTR)
		;
	if (!n) {
		kill(-hook, SIGKILL);
		poll(&done, 1, HOOK_END_MS);
	}
	if (process_status(pidfd, hook, status) && n)
		*status = W_EXITCODE(NOT_STARTED, 0);
	close(pidfd);
	return n ? 0 : -ETIMEDOUT;
}

/* As its user: it may enter a directory that root must not be led into. */
static void become_user(const struct account *user, int mask, const char *directory, int report)
{
	int err = account_become(user);

	if (err)
		report_and_exit(report, SPAWN_STEP_USER, -err, 0);
	if (mask >= 0)
		umask(mask);
	if (directory && chdir(directory))
		report_and_exit(report, SPAWN_STEP_DIRECTORY, errno, 0);
}

/* Of lbd's privileges, what the program is not to have; before its user is changed. */
static void confine_program(const struct spawn *spawn, int report)
{
	const char *path;
	int err = confine_mounts(&spawn->confinement, &path);

	if (err)
		fail_at(report, path, -err);
	err = confine_capabilities(&spawn->confinement);
	if (err)
		report_and_exit(report, SPAWN_STEP_CAPABILITIES, -err, 0);
}

/* execvp() looks the program up in the PATH that it will have, not in lbd's. */
static void execute_program(char **argv, char **envp)
{
	environ = envp;
	execvp(argv[0], argv);
}

static _Noreturn void be_hook(const struct spawn *spawn, int report)
{
	int err;

	setpgid(0, 0);
	become_user(&spawn->hook_user, spawn->hook_umask, spawn->hook_directory, report);
	if (!spawn->hook_unconfined && (err = confine_finish(&spawn->confinement)))
		report_and_exit(report, SPAWN_STEP_CAPABILITIES, -err, 0);
	execute_program(spawn->hook, spawn->hook_envp);
	report_and_exit(report, SPAWN_STEP_HOOK, errno, 0);
}

/* Did a step fail before the hook's program ran?  Once that runs, its exit codes are its own. */
static bool read_report(int from, struct spawn_report *text)
{
	ssize_t n;

	while ((n = read(from, text, sizeof(*text))) < 0 && errno == EINTR)
		;
	close(from);
	return n == sizeof(*text);
}

/* Before the child becomes the worker's user, since the hook's may be another. */
static void run_hook(const struct spawn *spawn, int report)
{
	struct spawn_report text;
	int status = 0, steps[2], err;
	pid_t hook;

	if (!spawn->hook)
		return;
	if (pipe2(steps, O_CLOEXEC))
		report_and_exit(report, SPAWN_STEP_HOOK, errno, 0);
	hook = _Fork(); /* of a child that is no libc's: no locks of threads that it has not */
	if (!hook)
		be_hook(spawn, steps[1]);
	if (hook < 0)
		report_and_exit(report, SPAWN_STEP_HOOK, errno, 0);
	setpgid(hook, hook);
	close(steps[1]);
	if (read_report(steps[0], &text))
		send_report(report, &text);
	err = wait_hook(hook, spawn->hook_timeout_ms, &status);
	if (err)
		report_and_exit(report, SPAWN_STEP_HOOK, -err, status);
	if (status)
		report_and_exit(report, SPAWN_STEP_HOOK, 0, status);
}

_Noreturn void spawn_child_run(const struct spawn *spawn, int go, int report)
{
	int err;

	name_lock_after_fork();
	setsid();
	reset_signals();
	wait_for_go(go);
	report = fcntl(report, F_DUPFD_CLOEXEC, ASIDE);
	err = put_descriptors(spawn, &report);
	if (err)
		report_and_exit(report, SPAWN_STEP_SETUP, -err, 0);
	if ((err = limit_resource(RLIMIT_CORE, spawn->core)))
		report_and_exit(report, SPAWN_STEP_CORE, -err, 0);
	if ((err = renice(spawn->nice)))
		report_and_exit(report, SPAWN_STEP_NICE, -err, 0);
	if ((err = limit_resource(RLIMIT_NOFILE, spawn->nofile)))
		report_and_exit(report, SPAWN_STEP_NOFILE, -err, 0);
	if ((err = capabilities_disinherit()))
		report_and_exit(report, SPAWN_STEP_CAPABILITIES, -err, 0);
	if (spawn->hook_unconfined)
		run_hook(spawn, report);
	confine_program(spawn, report);
	if (!spawn->hook_unconfined)
		run_hook(spawn, report);
	become_user(&spawn->user, spawn->umask, spawn->directory, report);
	if (spawn->leashed)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	if ((err = pass_listeners(spawn)))
		report_and_exit(report, SPAWN_STEP_SETUP, -err, 0);
	put_own_pid(spawn);
	if ((err = confine_finish(&spawn->confinement)))
		report_and_exit(report, SPAWN_STEP_CAPABILITIES, -err, 0);
	if (spawn->no_shell)
		execve(spawn->argv[0], spawn->argv, spawn->envp);
	else
		execute_program(spawn->argv, spawn->envp);
	report_and_exit(report, SPAWN_STEP_EXEC, errno, 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check/account_access.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/process/process.h"

enum { LOOK_MS = 1000, CANNOT_TELL = 0 };

static _Noreturn void look_as_account(const struct account *account, const char *path, int mode)
{
	if (account_become(account))
		_exit(CANNOT_TELL);
	_exit(access(path, mode) ? errno : 0);
}

/* One that is held up may outlive its SIGKILL: it is not waited for, and init reaps it. */
static int result_of(pid_t pid)
{
	struct pollfd ended = {.fd = process_open(pid), .events = POLLIN};
	int status = 0;

	if (ended.fd >= 0 && poll(&ended, 1, LOOK_MS) == 1 && waitpid(pid, &status, 0) == pid)
		status = WIFEXITED(status) ? WEXITSTATUS(status) : CANNOT_TELL;
	else
		kill(pid, SIGKILL);
	if (ended.fd >= 0)
		close(ended.fd);
	return -status;
}

int account_access(const struct account *account, const char *path, int mode)
{
	pid_t pid = geteuid() ? -1 : fork();

	if (!pid)
		look_as_account(account, path, mode);
	return pid < 0 ? CANNOT_TELL : result_of(pid);
}

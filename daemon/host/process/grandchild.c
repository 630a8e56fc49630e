/* SPDX-License-Identifier: Apache-2.0 */
#include "host/process/grandchild.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

bool grandchild_start(void (*run)(void *arg), void *arg)
{
	pid_t between = fork(), grandchild;
	int status;

	if (!between) {
		grandchild = _Fork();
		if (!grandchild)
			run(arg);
		_exit(grandchild < 0);
	}
	if (between < 0)
		return false;
	while (waitpid(between, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The end of what is in a control group. */
#include "host/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup/private.h"
#include "host/process/process.h"

enum {
	AT_ONCE = 4096, /* processes: some 50 ms */
	ROUNDS = 2,
	AGAIN_MS = 100,
};

struct killing {
	const char *group;
	unsigned left; /* of those at once */
};

static bool kill_one(void *arg, pid_t pid)
{
	struct killing *killing = arg;
	int pidfd;

	if (!killing->left)
		return false;
	killing->left--;
	pidfd = process_open(pid);
	if (pidfd < 0)
		return true;
	/* Now that it is held: still one of the group. */
	if (cgroup_group_holds(killing->group, pid))
		process_signal(pidfd, SIGKILL);
	close(pidfd);
	return true;
}

/* Whether that was all of them. */
static bool kill_each(const char *dir)
{
	struct killing killing = {.group = cgroup_group(dir), .left = AT_ONCE};

	if (killing.group)
		cgroup_each_process(dir, kill_one, &killing);
	return killing.left;
}

/*
 * Frozen they fork no more, and yet end.  A second round is for what was being forked in the first.  Where they are
 * more than one call ends they stay frozen up to the next; and no longer, for groups may be made below it.
 */
int cgroup_kill(const char *dir)
{
	bool is_all = true;
	int err;

	if (!cgroup_populated(dir))
		return access(dir, F_OK) ? -errno : 0;
	cgroup_write_file(dir, "cgroup.freeze", "1");
	err = cgroup_write_file(dir, "cgroup.kill", "1");
	for (int round = 0; is_all && round < ROUNDS; round++)
		is_all = kill_each(dir);
	if (is_all)
		cgroup_write_file(dir, "cgroup.freeze", "0");
	return err == -ENOENT && !access(dir, F_OK) ? 0 : err; /* before Linux 5.14 */
}

static int left_ms(uint64_t until_us)
{
	uint64_t now_us = clock_us();

	return now_us < until_us ? (int)((until_us - now_us + 999) / 1000) : 0;
}

int cgroup_kill_all(const char *dir, int timeout_ms)
{
	uint64_t until_us = clock_us() + (uint64_t)timeout_ms * 1000;
	struct pollfd changed = {.fd = cgroup_watch(dir), .events = POLLPRI};
	int wait_ms = timeout_ms;

	cgroup_kill(dir);
	while (cgroup_populated(dir) && (wait_ms = left_ms(until_us))) {
		wait_ms = wait_ms < AGAIN_MS ? wait_ms : AGAIN_MS;
		if (poll(&changed, changed.fd >= 0, wait_ms) > 0)
			pread(changed.fd, (char[64]){0}, 64, 0); /* takes the event */
		else
			cgroup_kill(dir);
	}
	if (changed.fd >= 0)
		close(changed.fd);
	return cgroup_populated(dir) ? -ETIMEDOUT : 0;
}

int cgroup_clear(const char *dir, const char *name, int timeout_ms)
{
	char path[PATH_MAX];
	int err;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	err = cgroup_remove(path);
	if (err != -EBUSY)
		return err == -ENOENT ? 0 : err;
	cgroup_kill_all(path, timeout_ms);
	return cgroup_remove(path);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn/orphans.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/process/process.h"

enum { LOOK_US = 2 * 1000 * 1000, SEEN_MAX = 256 };

/*
 * Children of lbd's own making are reaped through their pidfds as soon as they exit, in the same loop:
 * a zombie that is still there at the next look is an orphan.  One of which a thread lives is none, see process.h.
 */
static struct {
	sd_event *event;
	sd_event_source *timer;
	pid_t seen[SEEN_MAX];
	size_t count;
} orphans;

static bool was_seen(const pid_t *seen, size_t count, pid_t pid)
{
	for (size_t i = 0; i < count; i++)
		if (seen[i] == pid)
			return true;
	return false;
}

static int look_for_orphans(sd_event_source *source, uint64_t now, void *arg)
{
	pid_t before[SEEN_MAX];
	size_t before_count = orphans.count;
	FILE *children = fopen("/proc/thread-self/children", "re");
	int pid;

	(void)source, (void)now, (void)arg;
	if (!children)
		return 0;
	memcpy(before, orphans.seen, sizeof(before));
	orphans.count = 0;
	while (fscanf(children, "%d", &pid) == 1) {
		struct process_stat stat;

		if (process_stat(pid, &stat) || stat.state != 'Z')
			continue;
		if (was_seen(before, before_count, pid))
			waitpid(pid, NULL, WNOHANG);
		else if (orphans.count < SEEN_MAX)
			orphans.seen[orphans.count++] = pid;
	}
	fclose(children);
	if (orphans.count)
		clock_arm(orphans.event, &orphans.timer, LOOK_US, look_for_orphans, NULL);
	return 0;
}

static int on_child(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)source, (void)info, (void)arg;
	clock_arm(orphans.event, &orphans.timer, 0, look_for_orphans, NULL);
	return 0;
}

int orphans_watch(sd_event *event)
{
	sigset_t child;

	if (getpid() != 1)
		return 0;
	orphans.event = event;
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	return sd_event_add_signal(event, NULL, SIGCHLD, on_child, NULL);
}

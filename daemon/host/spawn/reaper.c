/* SPDX-License-Identifier: Apache-2.0 */
#include "host/spawn/reaper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "host/process/process.h"

enum { END_US = 1000 * 1000, AGAIN_US = 1000 * 1000, AGAIN_MAX_US = 8 * 1000 * 1000 };

struct dying {
	struct dying *next;
	pid_t pid;
	int pidfd;         /* -1: it has ended, and is traced */
	uint64_t again_us; /* between looks */
	sd_event *event;
	sd_event_source *source, *timer; /* its end, the next look */
	void (*gone)(void *arg);
	void *arg;
};

static struct dying *all;

static void forget_dying(struct dying *dying)
{
	void (*gone)(void *arg) = dying->gone;
	struct dying **link = &all;
	void *arg = dying->arg;

	while (*link != dying)
		link = &(*link)->next;
	*link = dying->next;
	sd_event_source_disable_unref(dying->source);
	sd_event_source_disable_unref(dying->timer);
	if (dying->pidfd >= 0)
		close(dying->pidfd);
	free(dying);
	if (gone)
		gone(arg);
}

/* False: it is there, though it may have ended. */
static bool reap_dying(const struct dying *dying)
{
	siginfo_t info = {0};

	/* A pid stays its own until it is reaped, which is done here. */
	if (dying->pidfd >= 0)
		return waitid(P_PIDFD, dying->pidfd, &info, WEXITED | WNOHANG) || info.si_pid;
	return waitid(P_PID, dying->pid, &info, WEXITED | WNOHANG) || info.si_pid;
}

/* Once for all that are held at a time. */
static void tell_held(const struct dying *dying)
{
	for (const struct dying *other = all; other; other = other->next)
		if (other != dying && other->pidfd < 0)
			return;
	log_warning(
		"pid %d has ended, and who traces it (ptrace(2), TracerPid in its "
		"/proc/%d/status) keeps it from being reaped: end that one; lbd goes on without",
		dying->pid, dying->pid);
}

/* Its descriptor would go on telling of its end, or never tell; and nothing tells when its tracer lets go. */
static void hold_dying(struct dying *dying)
{
	tell_held(dying);
	dying->source = sd_event_source_disable_unref(dying->source);
	close(dying->pidfd);
	dying->pidfd = -1;
}

static int on_again(sd_event_source *source, uint64_t now, void *arg)
{
	struct dying *dying = arg;
	struct process_stat stat;

	(void)source, (void)now;
	if (reap_dying(dying)) {
		forget_dying(dying);
		return 0;
	}
	if (dying->pidfd >= 0 && !process_stat(dying->pid, &stat) && stat.state == 'Z')
		hold_dying(dying);
	else if (dying->pidfd >= 0)
		process_kill_tracer(dying->pid);
	if (dying->again_us < AGAIN_MAX_US)
		dying->again_us *= 2;
	if (clock_arm(dying->event, &dying->timer, dying->again_us, on_again, dying) < 0)
		forget_dying(dying);
	return 0;
}

static int on_end(sd_event_source *source, int pidfd, uint32_t events, void *arg)
{
	struct dying *dying = arg;

	(void)source, (void)pidfd, (void)events;
	if (reap_dying(dying))
		forget_dying(dying);
	else
		hold_dying(dying);
	return 0;
}

static void watch_dying(sd_event *event, const struct spawn_child *child, void (*gone)(void *arg),
			void *arg)
{
	struct dying *dying = malloc(sizeof(*dying));

	if (!dying) {
		close(child->pidfd);
		if (gone)
			gone(arg);
		return;
	}
	*dying = (struct dying){.next = all,
				.pid = child->pid,
				.pidfd = child->pidfd,
				.again_us = AGAIN_US,
				.event = event,
				.gone = gone,
				.arg = arg};
	all = dying;
	if (reap_dying(dying) ||
	    sd_event_add_io(event, &dying->source, dying->pidfd, EPOLLIN, on_end, dying) < 0 ||
	    clock_arm(event, &dying->timer, dying->again_us, on_again, dying) < 0)
		forget_dying(dying);
}

void reaper_end(void)
{
	uint64_t end_us = clock_us() + END_US, now_us;

	while (all) {
		struct pollfd ended = {.fd = all->pidfd, .events = POLLIN};

		now_us = clock_us();
		if (all->pidfd >= 0)
			poll(&ended, 1, now_us < end_us ? (int)((end_us - now_us) / 1000) + 1 : 0);
		reap_dying(all);
		forget_dying(all);
	}
}

void reaper_take(sd_event *event, struct spawn_child *child, void (*gone)(void *arg), void *arg)
{
	if (child->pidfd >= 0) {
		process_signal(child->pidfd, SIGKILL);
		watch_dying(event, child, gone, arg);
		child->pidfd = -1;
	} else if (gone) {
		gone(arg);
	}
	spawn_abandon(child); /* what else it has open */
}

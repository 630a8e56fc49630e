/* SPDX-License-Identifier: Apache-2.0 */
#include "reaper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"

enum { END_US = 1000 * 1000 };

struct dying {
	struct dying *next;
	int pidfd;
	sd_event_source *source;
};

static struct dying *all;

static void reap(struct dying *dying)
{
	struct dying **link = &all;
	siginfo_t info;

	while (*link != dying)
		link = &(*link)->next;
	*link = dying->next;
	waitid(P_PIDFD, (id_t)dying->pidfd, &info, WEXITED | WNOHANG);
	sd_event_source_disable_unref(dying->source);
	close(dying->pidfd);
	free(dying);
}

static int on_end(sd_event_source *source, int pidfd, uint32_t events, void *arg)
{
	(void)source, (void)pidfd, (void)events;
	reap(arg);
	return 0;
}

static int reap_later(sd_event *event, int pidfd)
{
	struct dying *dying = malloc(sizeof(*dying));
	int err;

	if (!dying)
		return -ENOMEM;
	*dying = (struct dying){.next = all, .pidfd = pidfd};
	err = sd_event_add_io(event, &dying->source, pidfd, EPOLLIN, on_end, dying);
	if (err < 0) {
		free(dying);
		return err;
	}
	all = dying;
	return 0;
}

void reaper_end(void)
{
	uint64_t end_us = clock_us() + END_US, now_us;

	while (all) {
		struct pollfd ended = {.fd = all->pidfd, .events = POLLIN};

		now_us = clock_us();
		poll(&ended, 1, now_us < end_us ? (int)((end_us - now_us) / 1000) + 1 : 0);
		reap(all);
	}
}

void reaper_take(sd_event *event, struct spawn_child *child)
{
	if (child->pidfd >= 0) {
		process_signal(child->pidfd, SIGKILL);
		if (!reap_later(event, child->pidfd))
			child->pidfd = -1;
	}
	spawn_abandon(child); /* waits only for what could not be left to the loop */
}

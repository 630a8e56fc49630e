/* SPDX-License-Identifier: Apache-2.0 */
#include "keeping/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "host/net/notify.h"
#include "host/process/stranger.h"
#include "keeper/kept_notify.h"

struct kept {
	LIST_ENTRY(kept) link;
	uint64_t number;
	struct kept_notify of;
	char *note;            /* as it came */
	char *words;           /* what of points into */
	int fd;                /* -1: reader has it */
	struct notify *reader; /* from when lbd reads it no more */
	sd_event_source *end;  /* the process's pidfd */
	void (*ended)(void);

	/* Said since then. */
	bool ready, stopping, hangs;
	char status[128];
};

static LIST_HEAD(, kept) all = LIST_HEAD_INITIALIZER(all);

/* DANGER: an lbd that lives has the socket, too: it is never shut down here. */
static void free_kept(struct kept *kept)
{
	sd_event_source_disable_unref(kept->end);
	notify_leave(kept->reader);
	if (kept->fd >= 0)
		stranger_give_back(kept->fd, kept->of.user);
	stranger_flush();
	LIST_REMOVE(kept, link);
	free(kept->note);
	free(kept->words);
	free(kept);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct kept *kept = arg;
	void (*ended)(void) = kept->ended;

	(void)source, (void)fd, (void)events;
	free_kept(kept);
	ended();
	return 0;
}

/* Whether its end can be seen; takes pidfd over. */
static bool watch_worker(sd_event *event, struct kept *kept, int pidfd)
{
	if (sd_event_add_io(event, &kept->end, pidfd, EPOLLIN, on_end, kept) < 0) {
		close(pidfd);
		return false;
	}
	sd_event_source_set_io_fd_own(kept->end, 1);
	return true;
}

static bool fill_kept(struct kept *kept, const char *note)
{
	kept->note = strdup(note);
	kept->words = strdup(note);
	return kept->note && kept->words && !kept_notify_parse(kept->words, &kept->of, NULL);
}

void keep_notify_add(sd_event *event, const int fds[2], uint64_t number, const char *note,
		     void (*ended)(void))
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (!kept) {
		close(fds[0]); /* lbd has it */
		close(fds[1]);
		return;
	}
	kept->fd = fds[0];
	kept->number = number;
	kept->ended = ended;
	LIST_INSERT_HEAD(&all, kept, link);
	if (!watch_worker(event, kept, fds[1]) || !fill_kept(kept, note))
		free_kept(kept);
}

bool keep_notify_any(void)
{
	return !LIST_EMPTY(&all);
}

void keep_notify_drop(uint64_t number)
{
	struct kept *kept = LIST_FIRST(&all);

	while (kept && kept->number != number)
		kept = LIST_NEXT(kept, link);
	if (kept)
		free_kept(kept);
}

/* As worker/notify.c understands it. */
static void on_said(void *arg, pid_t sender, const char *name, const char *value)
{
	struct kept *kept = arg;

	if (!notify_is_of(kept->of.pid, kept->of.cgroup, sender))
		return;
	if (!strcmp(name, "STATUS"))
		snprintf(kept->status, sizeof(kept->status), "%s", value);
	else if (!strcmp(name, "WATCHDOG"))
		kept->hangs = !strcmp(value, "trigger");
	else if (!strcmp(name, "READY") && !strcmp(value, "1"))
		kept->ready = true;
	else if (!strcmp(name, "STOPPING") && !strcmp(value, "1"))
		kept->stopping = true;
}

void keep_notify_read(sd_event *event)
{
	struct kept *kept;

	LIST_FOREACH(kept, &all, link)
	{
		if (!kept->reader && !notify_adopt(event, kept->fd, NULL, kept->of.user, on_said,
						   kept, &kept->reader))
			kept->fd = -1;
	}
}

static void give_kept(struct kept *kept, int to)
{
	char said[KEPT_NOTIFY_SAID_BYTES];

	if (kept->reader)
		kept->fd = notify_release(kept->reader);
	kept->reader = NULL;
	snprintf(said, sizeof(said), "%s%s%s%s%s%s", *kept->status ? "STATUS=" : "", kept->status,
		 *kept->status ? "\n" : "", kept->ready ? "READY=1\n" : "",
		 kept->hangs ? "WATCHDOG=trigger\n" : "", kept->stopping ? "STOPPING=1\n" : "");
	if (kept_notify_give(to, kept->note, said, kept->fd))
		return;
	close(kept->fd); /* not the last: nothing of its queue goes with it */
	kept->fd = -1;
}

void keep_notify_give(int to)
{
	struct kept *kept;

	while ((kept = LIST_FIRST(&all))) {
		give_kept(kept, to);
		free_kept(kept);
	}
}

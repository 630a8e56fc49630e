/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup_end.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"

enum { LOOK_US = 1000 * 1000 }; /* where there is no descriptor to be told by */

/* The event loop owns the source, and the source this. */
struct ending {
	char *dir;
	unsigned levels;
	void (*gone)(void *arg);
	void *arg;
};

static void remove_empty(char *dir, unsigned levels)
{
	if (cgroup_remove(dir))
		return;
	while (--levels) {
		*strrchr(dir, '/') = '\0';
		if (rmdir(dir))
			return;
	}
}

static void finish(void *arg)
{
	struct ending *ending = arg;

	remove_empty(ending->dir, ending->levels);
	if (ending->gone)
		ending->gone(ending->arg);
	free(ending->dir);
	free(ending);
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	const struct ending *ending = arg;
	char text[128];

	(void)events;
	/* Reading takes the event. */
	if (pread(fd, text, sizeof(text), 0) < 0 || !cgroup_populated(ending->dir))
		sd_event_source_disable_unref(source); /* finishes */
	return 0;
}

static int on_look(sd_event_source *source, uint64_t now, void *arg)
{
	const struct ending *ending = arg;

	if (cgroup_populated(ending->dir) && sd_event_source_set_time(source, now + LOOK_US) >= 0 &&
	    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0)
		return 0;
	sd_event_source_disable_unref(source); /* finishes */
	return 0;
}

static int watch(sd_event *event, struct ending *ending)
{
	sd_event_source *source;
	int fd = cgroup_watch(ending->dir), err;

	/* A file that was only just opened tells of a change at once: none is missed. */
	if (fd >= 0)
		err = sd_event_add_io(event, &source, fd, EPOLLPRI, on_change, ending);
	else
		err = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, LOOK_US, 0,
						 on_look, ending);
	if (err < 0) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (fd >= 0)
		sd_event_source_set_io_fd_own(source, 1);
	sd_event_source_set_destroy_callback(source, finish);
	sd_event_source_set_floating(source, 1);
	sd_event_source_unref(source);
	return 0;
}

void cgroup_end(sd_event *event, char *dir, unsigned levels, void (*gone)(void *arg), void *arg)
{
	struct ending *ending = malloc(sizeof(*ending));
	bool is_populated = cgroup_populated(dir);

	if (is_populated)
		cgroup_kill(dir);
	if (!ending) {
		remove_empty(dir, levels);
		if (gone)
			gone(arg);
		free(dir);
		return;
	}
	*ending = (struct ending){dir, levels, gone, arg};
	if (!is_populated || watch(event, ending) < 0)
		finish(ending);
}

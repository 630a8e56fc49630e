/* SPDX-License-Identifier: Apache-2.0 */
#include "host/cgroup/end.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup/cgroup.h"

enum { LOOK_US = 1000 * 1000, LOOK_MAX_US = 8 * 1000 * 1000 };

/* The event loop owns the sources, and the timer this. */
struct ending {
	char *dir;
	uint64_t id; /* of the group: another may come to have its name */
	unsigned levels;
	void (*gone)(void *arg);
	void *arg;
	sd_event_source *change; /* NULL: there is no descriptor to be told by */
	sd_event_source *timer;
	uint64_t look_us;
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

static void forget_change(void *arg)
{
	((struct ending *)arg)->change = NULL;
}

static void finish_ending(void *arg)
{
	struct ending *ending = arg;

	if (ending->change) {
		sd_event_source_set_destroy_callback(ending->change, NULL);
		sd_event_source_disable_unref(ending->change);
	}
	remove_empty(ending->dir, ending->levels);
	if (ending->gone)
		ending->gone(ending->arg);
	free(ending->dir);
	free(ending);
}

static bool is_there(const struct ending *ending)
{
	return cgroup_id(ending->dir) == ending->id && cgroup_populated(ending->dir);
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	const struct ending *ending = arg;
	char text[128];

	(void)source, (void)events;
	/* Reading takes the event. */
	if (pread(fd, text, sizeof(text), 0) < 0 || !is_there(ending))
		sd_event_source_disable_unref(ending->timer); /* finishes */
	return 0;
}

static int on_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct ending *ending = arg;

	if (is_there(ending)) {
		cgroup_kill(ending->dir);
		if (ending->look_us < LOOK_MAX_US)
			ending->look_us *= 2;
		if (sd_event_source_set_time(source, now + ending->look_us) >= 0 &&
		    sd_event_source_set_enabled(source, SD_EVENT_ONESHOT) >= 0)
			return 0;
	}
	sd_event_source_disable_unref(source); /* finishes */
	return 0;
}

/* The loop's alone from now on, so that what is left ends with it. */
static void hand_over(sd_event_source *source, sd_event_destroy_t gone)
{
	sd_event_source_set_destroy_callback(source, gone);
	sd_event_source_set_floating(source, 1);
	sd_event_source_unref(source);
}

/* A file that was only just opened tells of a change at once: none is missed. */
static void watch_change(sd_event *event, struct ending *ending)
{
	int fd = cgroup_watch(ending->dir);

	if (fd < 0)
		return;
	if (sd_event_add_io(event, &ending->change, fd, EPOLLPRI, on_change, ending) < 0) {
		close(fd);
		return;
	}
	sd_event_source_set_io_fd_own(ending->change, 1);
	hand_over(ending->change, forget_change);
}

static int watch_ending(sd_event *event, struct ending *ending)
{
	int err = clock_arm_anew(event, &ending->timer, LOOK_US, CLOCK_LAX_US, on_look, ending);

	if (err < 0)
		return err;
	hand_over(ending->timer, finish_ending);
	watch_change(event, ending);
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
	*ending = (struct ending){.dir = dir,
				  .id = cgroup_id(dir),
				  .levels = levels,
				  .gone = gone,
				  .arg = arg,
				  .look_us = LOOK_US};
	if (!is_populated || watch_ending(event, ending) < 0)
		finish_ending(ending);
}

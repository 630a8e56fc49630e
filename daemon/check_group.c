/* SPDX-License-Identifier: Apache-2.0 */
#include "check_group.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define PARENT "lbd.checks"

/* A new one each time: see cgroup_make() for what the kernel does to one that was emptied. */
char *check_group_make(const char *groups)
{
	static unsigned long serial;
	char path[PATH_MAX];
	int tries = 100;

	if (!groups || snprintf(path, sizeof(path), "%s/" PARENT, groups) >= (int)sizeof(path))
		return NULL;
	if (mkdir(path, 0755) && errno != EEXIST)
		return NULL;
	do {
		if (snprintf(path, sizeof(path), "%s/" PARENT "/%lu", groups, serial++) >=
		    (int)sizeof(path))
			return NULL;
		if (!mkdir(path, 0755))
			return strdup(path);
	} while (errno == EEXIST && --tries);
	return NULL;
}

/* The parent goes with the last one of it. */
static void remove_empty(const char *dir)
{
	char parent[PATH_MAX];

	if (cgroup_remove(dir))
		return;
	snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	rmdir(parent);
}

static int on_change(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	char text[128];

	(void)events;
	/* Reading takes the event. */
	if (pread(fd, text, sizeof(text), 0) >= 0 && cgroup_populated(arg))
		return 0;
	remove_empty(arg);
	sd_event_source_disable_unref(source); /* frees arg */
	return 0;
}

/* The event loop owns the source, and the source the directory's name. */
static int remove_when_empty(sd_event *event, char *dir)
{
	sd_event_source *source;
	int fd = cgroup_watch(dir);
	int err = fd < 0 ? fd : sd_event_add_io(event, &source, fd, EPOLLPRI, on_change, dir);

	if (err < 0) {
		if (fd >= 0)
			close(fd);
		return err;
	}
	sd_event_source_set_io_fd_own(source, 1);
	sd_event_source_set_destroy_callback(source, free);
	sd_event_source_set_floating(source, 1);
	sd_event_source_unref(source);
	return 0;
}

void check_group_end(sd_event *event, char *dir)
{
	if (!dir)
		return;
	if (cgroup_populated(dir)) {
		cgroup_kill(dir);
		/* A file that was only just opened tells of a change at once: none is missed. */
		if (!remove_when_empty(event, dir))
			return;
	}
	remove_empty(dir);
	free(dir);
}

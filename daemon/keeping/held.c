/* SPDX-License-Identifier: Apache-2.0 */
#include "keeping/held.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

void held_free(struct held *held)
{
	sd_event_source_disable_unref(held->hung);
	output_flow_free(held->flow);
	if (held->fd >= 0)
		close(held->fd);
	LIST_REMOVE(held, link);
	free(held->note);
	free(held);
}

/*
 * Nobody has it open but we.  lbd closes one when it has taken all that was in it; else lbd is about to be
 * dead, and what is left is ours to write then.
 */
static int on_hung(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct held *held = arg;
	int left = 0;

	(void)events;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	if (!ioctl(fd, FIONREAD, &left) && !left)
		held_free(held);
	return 0;
}

struct held *held_new(sd_event *event, struct held_list *list, int fd, uint64_t number,
		      const char *note)
{
	struct held *held = calloc(1, sizeof(*held));

	if (!held || !(held->note = strdup(note)) || fstat(fd, &held->st) ||
	    sd_event_add_io(event, &held->hung, fd, 0, on_hung, held) < 0) {
		if (held)
			free(held->note);
		free(held);
		close(fd);
		return NULL;
	}
	held->fd = fd;
	held->number = number;
	LIST_INSERT_HEAD(list, held, link);
	return held;
}

int held_read(sd_event *event, struct held *held)
{
	int err;

	held->hung = sd_event_source_disable_unref(held->hung);
	err = output_flow_resume(event, held->fd, held->note, &held->flow);
	if (!err)
		held->fd = -1;
	return err;
}

bool held_is_ours(const struct held *held)
{
	bool is_ending = held->flow && output_flow_is_ending(held->flow);
	struct stat st;

	return (is_ending || held->is_left) &&
	       !fstat(held->flow ? output_flow_fd(held->flow) : held->fd, &st) && !st.st_nlink;
}

void held_stop_reading(struct held *held)
{
	if (!held->flow)
		return;
	held->fd = output_flow_release(held->flow);
	held->flow = NULL;
}

bool held_drain(struct held *held, bool is_late)
{
	if (!held->flow && held_read(NULL, held))
		return is_late;
	if (output_flow_drain(held->flow))
		return true;
	if (is_late)
		output_flow_say_dropped(held->flow);
	return is_late;
}

struct held *held_find(const struct held_list *list, uint64_t number)
{
	struct held *held;

	LIST_FOREACH(held, list, link)
	{
		if (held->number == number)
			return held;
	}
	return NULL;
}

unsigned held_count_left(const struct held_list *list)
{
	struct held *held;
	unsigned count = 0;

	LIST_FOREACH(held, list, link)
	{
		count += held->is_left;
	}
	return count;
}

bool held_has_file(const struct held_list *list, const struct stat *st)
{
	struct held *held;

	LIST_FOREACH(held, list, link)
	{
		if (held->st.st_ino == st->st_ino && held->st.st_dev == st->st_dev)
			return true;
	}
	return false;
}

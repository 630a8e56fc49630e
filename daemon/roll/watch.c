/* SPDX-License-Identifier: Apache-2.0 */
#include "roll/watch.h"

#include <errno.h>
#include <stdlib.h>

struct roll_watch {
	struct roll_watch *next;
	struct roll_watcher watcher;
};

int roll_watch_add(struct roll_watch **list, const struct roll_watcher *watcher)
{
	struct roll_watch *watch = malloc(sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	*watch = (struct roll_watch){.next = *list, .watcher = *watcher};
	*list = watch;
	return 0;
}

void roll_watch_progress(const struct roll_watch *list, const char *text)
{
	for (; list; list = list->next)
		list->watcher.progress(list->watcher.arg, text);
}

void roll_watch_done(struct roll_watch *list, const char *error)
{
	while (list) {
		struct roll_watch *watch = list;

		list = watch->next;
		watch->watcher.done(watch->watcher.arg, error);
		free(watch);
	}
}

void roll_watch_remove(struct roll_watch **list, const void *arg)
{
	while (*list) {
		struct roll_watch *watch = *list;

		if (watch->watcher.arg != arg) {
			list = &watch->next;
			continue;
		}
		*list = watch->next;
		free(watch);
	}
}

void roll_watch_free(struct roll_watch *list)
{
	while (list) {
		struct roll_watch *watch = list;

		list = watch->next;
		free(watch);
	}
}

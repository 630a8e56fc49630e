/* SPDX-License-Identifier: Apache-2.0 */
/* Who is told how a roll goes on: whoever began it, and who has come since to wait for its end. */
#ifndef LB_ROLL_WATCH_H
#define LB_ROLL_WATCH_H

struct roll_watcher {
	void (*progress)(void *arg, const char *text);
	/* Once, at the end: error is NULL when all went well. */
	void (*done)(void *arg, const char *error);
	void *arg;
};

/* For roll.c alone: the list of them. */
struct roll_watch;

/* *list may be NULL before; -ENOMEM. */
int roll_watch_add(struct roll_watch **list, const struct roll_watcher *watcher);

void roll_watch_progress(const struct roll_watch *list, const char *text);

/* Tells all; frees them.  error: NULL: it went well. */
void roll_watch_done(struct roll_watch *list, const char *error);

void roll_watch_remove(struct roll_watch **list, const void *arg); /* those with that arg */
void roll_watch_free(struct roll_watch *list);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own_dir.h"
#include "base/seal.h"
#include "control/control.h"
#include "host/instance/instance.h"
#include "lbd/in_force.h"
#include "leave/leave.h"
#include "remember/remember.h"

enum {
	SETTLE_US = 200 * 1000,      /* whoever deletes is perhaps not done, */
	LATEST_US = 2 * 1000 * 1000, /* but lbd itself may never be */
	AGAIN_US = 10 * 1000 * 1000, /* it could not be made */
};

/* What is missing of `output` is not made again: a process has its FIFO open, and the next lbd asks it for that. */
static const char *const below[RUN_DIR_BELOW] = {"workers", "notify", "leaving"};

static void mend_worker(void *arg, struct backend *backend)
{
	(void)arg;
	if (backend->worker)
		worker_mend(backend->worker);
}

static int on_settled(sd_event_source *source, uint64_t now_us, void *arg);
static int watch_all(struct lbd *lbd);

/* What is still there is left as it is. */
static int mend_run_dir(struct lbd *lbd)
{
	struct error error;
	int err = instance_make(lbd->run_dir, &error);

	if (!err && (err = watch_all(lbd)))
		error_set(&error, err, "%s: cannot be watched: %s", lbd->run_dir, strerror(-err));
	if (!err)
		err = control_mend(lbd->control, &error);
	if (err) {
		log_warning("%s; until that has changed lbctl cannot reach this lbd, and workers "
			    "cannot be started",
			    error.text);
		return err;
	}
	/* Before the configuration, which does not name them: as when they left. */
	leave_mend(&lbd->model);
	lbd_write_running(lbd);
	remember_now(&lbd->model);
	pool_each_backend(&lbd->model, mend_worker, NULL);
	return 0;
}

static void mend_later(struct lbd *lbd, uint64_t delay_us)
{
	clock_arm(lbd->event, &lbd->guard.timer, delay_us, on_settled, lbd);
}

static void look_at_worker(void *arg, struct backend *backend)
{
	bool *is_lost = arg;

	*is_lost |= backend->worker && worker_is_lost(backend->worker);
}

/* lbd itself removes what is of those that have ended. */
static bool is_lost_below(struct lbd *lbd)
{
	bool is_lost = leave_is_lost(&lbd->model);

	pool_each_backend(&lbd->model, look_at_worker, &is_lost);
	return is_lost;
}

static bool mend_and_say(struct lbd *lbd)
{
	lbd->guard.is_lost = mend_run_dir(lbd) != 0;
	if (!lbd->guard.is_lost)
		log_warning("%s, or part of it, was deleted: it has been made again", lbd->run_dir);
	return !lbd->guard.is_lost;
}

static int on_settled(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct lbd *lbd = arg;

	(void)source, (void)now_us;
	lbd->guard.since_us = 0;
	if (!lbd->guard.is_lost && !is_lost_below(lbd))
		return 0;
	if (!mend_and_say(lbd))
		mend_later(lbd, AGAIN_US);
	return 0;
}

static bool is_aside(const struct inotify_event *event)
{
	size_t length = event->len ? strlen(event->name) : 0;

	return length >= 4 && !strcmp(event->name + length - 4, ".new");
}

/* What is published is `.new` first, and lbd removes no other file here as long as it runs. */
static int on_change(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct lbd *lbd = arg;

	(void)source;
	if (event->mask & IN_IGNORED || is_aside(event))
		return 0;
	lbd->guard.is_lost = true;
	mend_later(lbd, SETTLE_US);
	return 0;
}

/* Put off by each one more, up to a limit: where workers come and go there is always another. */
static int on_change_below(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	struct lbd *lbd = arg;

	(void)source;
	if (event->mask & IN_IGNORED || is_aside(event))
		return 0;
	if (!lbd->guard.since_us)
		lbd->guard.since_us = clock_us();
	if (clock_us() - lbd->guard.since_us < LATEST_US)
		mend_later(lbd, SETTLE_US);
	return 0;
}

static int watch_dir(struct lbd *lbd, const char *path, sd_event_inotify_handler_t handler,
		     sd_event_source **watch)
{
	sd_event_source *source;
	int err = sd_event_add_inotify(lbd->event, &source, path,
				       IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVE_SELF |
					       IN_ONLYDIR,
				       handler, lbd);

	if (err < 0)
		return err;
	sd_event_source_disable_unref(*watch);
	*watch = source;
	return 0;
}

/* A watch is of the directory, not of its name: made anew with each one. */
static int watch_all(struct lbd *lbd)
{
	int err = watch_dir(lbd, lbd->run_dir, on_change, &lbd->guard.watch);

	for (int i = 0; i < RUN_DIR_BELOW && !err; i++) {
		char path[sizeof(lbd->run_dir) + 16];

		snprintf(path, sizeof(path), "%s/%s", lbd->run_dir, below[i]);
		err = own_dir_make(path);
		if (!err)
			err = watch_dir(lbd, path, on_change_below, &lbd->guard.below[i]);
	}
	return err;
}

/* Before the loop runs: what is deleted meanwhile is told to it, and mended when it does. */
void run_dir_watch(struct lbd *lbd)
{
	int err = watch_all(lbd);

	if (err == -ENOENT) {
		lbd->guard.is_lost = true;
		mend_later(lbd, SETTLE_US);
	} else if (err) {
		log_warning("%s: cannot be watched: %s; it is not made again where it is deleted",
			    lbd->run_dir, strerror(-err));
	}
}

/* Whether somebody has altered it.  All of these are written anew in any case. */
static void tell_altered(const char *dir, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!seal_is_good(path))
		log_warning("%s is not what lbd has written: it is written anew", path);
}

static void tell_altered_below(const struct lbd *lbd, const char *name)
{
	char path[sizeof(lbd->run_dir) + 16];
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", lbd->run_dir, name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (*entry->d_name != '.')
			tell_altered(path, entry->d_name);
	if (dir)
		closedir(dir);
}

static void renew_worker(void *arg, struct backend *backend)
{
	(void)arg;
	if (backend->worker)
		worker_renew_record(backend->worker);
}

/* A seal does not tell an older one that somebody has put there: it is not asked whether to write. */
static void renew_run_dir(struct lbd *lbd)
{
	tell_altered_below(lbd, "leaving");
	tell_altered(lbd->run_dir, "running.conf");
	tell_altered(lbd->run_dir, "states");
	leave_mend(&lbd->model);
	lbd_write_running(lbd);
	remember_now(&lbd->model);
	pool_each_backend(&lbd->model, renew_worker, NULL);
}

void run_dir_hand_on(struct lbd *lbd)
{
	char path[sizeof(lbd->run_dir) + 16];

	snprintf(path, sizeof(path), "%s/running.conf", lbd->run_dir);
	if (access(path, F_OK) || is_lost_below(lbd))
		mend_and_say(lbd);
	else
		renew_run_dir(lbd);
}

void run_dir_leave(struct lbd *lbd)
{
	lbd->guard.watch = sd_event_source_disable_unref(lbd->guard.watch);
	for (int i = 0; i < RUN_DIR_BELOW; i++)
		lbd->guard.below[i] = sd_event_source_disable_unref(lbd->guard.below[i]);
	lbd->guard.timer = sd_event_source_disable_unref(lbd->guard.timer);
}

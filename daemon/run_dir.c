/* SPDX-License-Identifier: Apache-2.0 */
#include "run_dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "clock.h"
#include "instance.h"
#include "lbd.h"
#include "leave.h"
#include "log.h"
#include "remember.h"

enum {
	SETTLE_US = 200 * 1000,      /* whoever deletes is perhaps not done */
	AGAIN_US = 10 * 1000 * 1000, /* it could not be made */
};

static void mend_worker(void *arg, struct backend *backend)
{
	(void)arg;
	if (backend->worker)
		worker_mend(backend->worker);
}

static int on_settled(sd_event_source *source, uint64_t now_us, void *arg);

/* What is still there is left as it is. */
static int mend(struct lbd *lbd)
{
	struct error error;
	int err = instance_make(lbd->run_dir, &error);

	if (!err)
		err = run_dir_watch(lbd) < 0 ? error_set(&error, -ENOSPC, "%s: inotify: %s",
							 lbd->run_dir, strerror(errno))
					     : 0;
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
	clock_arm(lbd->event, &lbd->run_dir_timer, delay_us, on_settled, lbd);
}

static int on_settled(sd_event_source *source, uint64_t now_us, void *arg)
{
	struct lbd *lbd = arg;

	(void)source, (void)now_us;
	if (mend(lbd))
		mend_later(lbd, AGAIN_US);
	else
		log_warning("%s, or part of it, was deleted: it has been made again", lbd->run_dir);
	return 0;
}

/* What is published is `.new` first, and lbd removes no other file here as long as it runs. */
static int on_change(sd_event_source *source, const struct inotify_event *event, void *arg)
{
	(void)source;
	if (event->mask & IN_IGNORED || (event->len && strstr(event->name, ".new")))
		return 0;
	mend_later(arg, SETTLE_US);
	return 0;
}

/* The watch is of the directory, not of its name: made anew with each one. */
int run_dir_watch(struct lbd *lbd)
{
	sd_event_source *source;
	int err = sd_event_add_inotify(lbd->event, &source, lbd->run_dir,
				       IN_DELETE | IN_DELETE_SELF | IN_MOVED_FROM | IN_MOVE_SELF |
					       IN_ONLYDIR,
				       on_change, lbd);

	if (err < 0)
		return err;
	sd_event_source_disable_unref(lbd->run_dir_watch);
	lbd->run_dir_watch = source;
	return 0;
}

void run_dir_leave(struct lbd *lbd)
{
	lbd->run_dir_watch = sd_event_source_disable_unref(lbd->run_dir_watch);
	lbd->run_dir_timer = sd_event_source_disable_unref(lbd->run_dir_timer);
}

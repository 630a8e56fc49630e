/* SPDX-License-Identifier: Apache-2.0 */
/* A child that has not come to its program yet. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/private.h"

void worker_forget_pending(struct worker *worker)
{
	worker->report_source = sd_event_source_disable_unref(worker->report_source);
	if (worker->pending)
		launch_clear(worker->pending);
	free(worker->pending);
	worker->pending = NULL;
	if (worker->child.report >= 0)
		close(worker->child.report);
	worker->child.report = -1;
}

void worker_settle_pending(struct worker *worker)
{
	struct error error;
	int err;

	if (!worker->pending)
		return;
	/* Before the descriptor is closed: while a sibling that has not come to exec holds a copy of it,
	 * epoll would go on telling of a source that is no more. */
	worker->report_source = sd_event_source_disable_unref(worker->report_source);
	err = spawn_result(&worker->pending->spawn, &worker->child, 0, &error);
	if (err)
		snprintf(worker->not_run, sizeof(worker->not_run), "%s", error.text);
	worker_forget_pending(worker);
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct worker *worker = arg;

	(void)source, (void)fd, (void)events;
	worker_settle_pending(worker);
	/* The last thing: it may end this worker.  Where the program does not run, its exit follows. */
	if (!*worker->not_run && worker->ops->runs)
		worker->ops->runs(worker->arg);
	return 0;
}

/*
 * That the child has come to exec, or never will, is heard in the loop; launch is taken over.  Never waited
 * for: a hook, a lease on the program's file (fcntl(2)) or a SIGSTOP of the worker's user can hold it up.
 */
int worker_await_program(struct worker *worker, struct launch *launch, struct error *error)
{
	int err;

	worker->pending = malloc(sizeof(*launch));
	if (!worker->pending)
		return error_set(error, -ENOMEM, "worker %s: out of memory", worker->name);
	*worker->pending = *launch;
	*launch = (struct launch){.spawn = {.out = -1, .err = -1}};
	err = sd_event_add_io(worker->host->event, &worker->report_source, worker->child.report,
			      EPOLLIN, on_report, worker);
	return err < 0 ? error_set(error, err, "worker %s: %s", worker->name, strerror(-err)) : 0;
}

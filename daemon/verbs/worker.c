/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs about supervised processes. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/process.h"
#include "base/json_text.h"
#include "base/open_file.h"
#include "lb/ctl.h"
#include "model/turn.h"
#include "reconcile/nobody.h"
#include "roll/roll.h"
#include "verbs/verbs.h"
#include "view/view.h"
#include "worker/worker.h"

enum { TAIL_LINES = 20 };

struct targets {
	struct backend *list[LB_MAX_BACKENDS];
	size_t count;
};

static void collect(void *arg, struct backend *backend)
{
	struct targets *targets = arg;

	targets->list[targets->count++] = backend;
}

/* The workers that the request's name means; to be freed.  NULL with a line. */
static struct targets *targets_of(struct call *call)
{
	struct targets *targets = calloc(1, sizeof(*targets));

	if (!targets) {
		error_set(&call->error, -ENOMEM, "out of memory");
		return NULL;
	}
	if (pool_each_target(&call->lbd->model, answer_word(call, "name", ""), collect, targets,
			     &call->error) < 0) {
		free(targets);
		return NULL;
	}
	return targets;
}

int verb_worker(struct call *call)
{
	const char *name = answer_word(call, "name", NULL);
	struct targets *targets;

	if (name) {
		targets = targets_of(call);
		if (!targets)
			return -ENOENT;
		free(targets);
	}
	answer_view(call, view_workers(call->lbd, name));
	return 0;
}

/* Who leaves cannot be put back to work by a command.  -EPERM with a line where nobody is left. */
static int drop_leavers(struct call *call, struct targets *targets)
{
	size_t kept = 0;

	for (size_t i = 0; i < targets->count; i++)
		if (targets->list[i]->goal != GOAL_LEAVE)
			targets->list[kept++] = targets->list[i];
	targets->count = kept;
	return kept ? 0
		    : error_set(&call->error, -EPERM,
				"%s: leaves: it has gone from the configuration; to keep it, write "
				"it "
				"there again and `lbctl reload`",
				answer_word(call, "name", ""));
}

static void start(struct backend *backend)
{
	backend_process_start_by_hand(backend);
}

static void stop(struct backend *backend)
{
	uint64_t timeout_us = backend->pool->conf->drain_timeout_ms * 1000ULL;

	if (backend->goal != GOAL_LEAVE) /* that ends with a stop, too */
		backend_drain(backend, timeout_us, GOAL_STOP);
}

static int wait_for(struct call *call, enum wait_for what, struct targets *targets)
{
	int err = wait_add(&call->lbd->waits, call->request, what, targets->list, targets->count);

	return err ? error_set(&call->error, err, "out of memory") : 0;
}

static int each_then_wait(struct call *call, void (*act)(struct backend *), enum wait_for what)
{
	struct targets *targets = targets_of(call);
	int err;

	if (!targets)
		return -ENOENT;
	err = what == WAIT_STARTED ? drop_leavers(call, targets) : 0;
	for (size_t i = 0; i < targets->count && !err; i++) {
		struct backend *backend = targets->list[i];
		bool was_so = nobody_serves(backend->pool);

		act(backend);
		answer_nobody(call, backend->pool, was_so);
	}
	if (!err)
		err = wait_for(call, what, targets);
	free(targets);
	return err;
}

int verb_worker_start(struct call *call)
{
	return each_then_wait(call, start, WAIT_STARTED);
}

int verb_worker_stop(struct call *call)
{
	return each_then_wait(call, stop, WAIT_STOPPED);
}

/* In turns, pool by pool, so that each goes on serving. */
int verb_worker_restart(struct call *call)
{
	struct targets *targets = targets_of(call);
	struct model *model = &call->lbd->model;
	int err;

	if (!targets)
		return -ENOENT;
	err = drop_leavers(call, targets);
	for (size_t i = 0; i < targets->count && !err; i++)
		roll_mark(targets->list[i], answer_flag(call, "force"));
	for (size_t i = 0; i < model->pool_count && !err; i++)
		if (roll_go(model->pools[i]))
			err = error_set(&call->error, -ENOMEM, "out of memory");
	if (!err)
		err = wait_for(call, WAIT_RESTARTED, targets);
	free(targets);
	return err;
}

static void roll_progress(void *arg, const char *text)
{
	control_progress(arg, "%s", text);
}

static void roll_done(void *arg, const char *error)
{
	if (error)
		control_refuse(arg, 1, error);
	else
		control_message(arg, "rolled");
}

static int join_roll(struct call *call, struct pool *pool, const struct roll_watcher *watcher)
{
	int err = roll_join(pool, watcher);

	if (err)
		return error_set(&call->error, err, "%s", strerror(-err));
	control_progress(call->request,
			 "pool %s: is being rolled already; waits for the end of that", pool->name);
	return 0;
}

static int say_none(struct call *call, const struct pool *pool)
{
	control_message(
		call->request,
		"pool %s: none of its workers is rolled: they are stopped or drained by command, "
		"and stay so (`lbctl worker %s:*`)",
		pool->name, pool->name);
	return 0;
}

static int refuse_roll(struct call *call, const struct pool *pool, int err)
{
	if (err == -EALREADY)
		return error_set(&call->error, err,
				 "pool %s: is being rolled already (`lbctl roll %s wait` waits for "
				 "its end)",
				 pool->name, pool->name);
	if (err == -ENOENT)
		return error_set(&call->error, err,
				 "pool %s: has no workers of lbd's to roll; its backends are "
				 "started by hand",
				 pool->name);
	return error_set(&call->error, err, "%s", strerror(-err));
}

int verb_roll(struct call *call)
{
	struct roll_watcher watcher = {roll_progress, roll_done, call->request};
	bool waits = answer_flag(call, "wait"), forces = answer_flag(call, "force");
	struct pool *pool;
	int err = answer_pool(call, &pool);

	if (err)
		return err;
	err = roll_start(pool, forces, waits ? &watcher : NULL);
	if (err == -EALREADY && waits && !forces)
		return join_roll(call, pool, &watcher);
	if (err == -ENODATA)
		return say_none(call, pool);
	if (err)
		return refuse_roll(call, pool, err);
	if (!waits && !turn_is_rolling(pool) && *roll_error(pool))
		return error_set(&call->error, -EINVAL, "pool %s: %s", pool->name,
				 roll_error(pool));
	if (!waits)
		control_message(call->request, "rolling (`lbctl worker` shows how far it is)");
	return 0;
}

/* "TERM", "SIGTERM" or a number. */
static int signal_number(const char *name)
{
	char *end;
	long number = strtol(name, &end, 10);

	if (*name && !*end)
		return number > 0 && number < NSIG ? (int)number : -EINVAL;
	if (!strncmp(name, "SIG", 3))
		name += 3;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	return -EINVAL;
}

int verb_signal(struct call *call)
{
	const char *name = answer_word(call, "signal", "");
	int number = signal_number(name);
	struct targets *targets;
	size_t sent = 0;

	if (number < 0)
		return error_set(&call->error, number,
				 "\"%s\": not a signal such as TERM, HUP or USR1", name);
	targets = targets_of(call);
	if (!targets)
		return -ENOENT;
	for (size_t i = 0; i < targets->count; i++)
		sent += !worker_signal(targets->list[i]->worker, number);
	free(targets);
	if (!sent) {
		call->exit_code = LB_CTL_NOT_RUNNING;
		return error_set(&call->error, -ESRCH, "%s: not running",
				 answer_word(call, "name", ""));
	}
	control_message(call->request, "%zu signalled", sent);
	return 0;
}

/* One that leaves and its successor, which waits for its end, have one name and the former's process. */
static bool have_one_name(const struct targets *targets)
{
	for (size_t i = 1; i < targets->count; i++)
		if (strcmp(targets->list[i]->name, targets->list[0]->name))
			return false;
	return true;
}

/* A single worker by its name. */
static struct backend *only_target(struct call *call)
{
	struct targets *targets = targets_of(call);
	struct backend *backend = NULL;

	if (targets && have_one_name(targets))
		backend = targets->list[targets->count - 1];
	else if (targets)
		error_set(&call->error, -EINVAL, "%s: name one worker, as POOL:PORT",
			  answer_word(call, "name", ""));
	free(targets);
	return backend;
}

int verb_tail(struct call *call)
{
	struct backend *backend = only_target(call);
	const char *path;
	size_t bytes = 0;
	char *text;
	int err = 0;

	if (!backend)
		return -EINVAL;
	path = worker_log_path(backend->worker);
	if (!path)
		return error_set(&call->error, -ENOENT, "%s: its output goes to no file",
				 backend->name);
	text = worker_last_output(backend->worker, TAIL_LINES, &bytes);
	if (answer_flag(call, "follow")) {
		control_progress_bytes(call->request, text, bytes);
		err = follow_add(&call->lbd->follows, call->lbd->event, call->request, path,
				 worker_log_user(backend->worker), &call->error);
	} else {
		control_reply(call->request, json_text_bytes(text, bytes));
	}
	free(text);
	return err;
}

/* Not truncate(2): that waits for whoever holds a lease on the file. */
static int clear_log(const struct worker *worker, struct error *error)
{
	const char *path = worker_log_path(worker);
	int fd, err = 0;

	if (!path)
		return 0;
	fd = open_file("log ", path, O_WRONLY, worker_log_user(worker), error);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (ftruncate(fd, 0))
		err = error_set(error, -errno, "log %s: %s", path, strerror(errno));
	close(fd);
	return err;
}

int verb_clear(struct call *call)
{
	struct targets *targets = targets_of(call);
	int err = 0;

	if (!targets)
		return -ENOENT;
	for (size_t i = 0; i < targets->count && !err; i++)
		err = clear_log(targets->list[i]->worker, &call->error);
	if (!err)
		control_message(call->request, "%zu cleared", targets->count);
	free(targets);
	return err;
}

int verb_pid(struct call *call)
{
	struct backend *backend;
	json_int_t pid = getpid();

	if (answer_word(call, "name", NULL)) {
		backend = only_target(call);
		if (!backend)
			return -EINVAL;
		pid = worker_pid(backend->worker);
		if (!pid) {
			call->exit_code = LB_CTL_NOT_RUNNING;
			return error_set(&call->error, -ESRCH, "%s: not running", backend->name);
		}
	}
	control_reply(call->request, json_integer(pid));
	return 0;
}

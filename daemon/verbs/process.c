/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of a worker's process: signals, its output, its number. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_text.h"
#include "base/open_file.h"
#include "lb/ctl.h"
#include "verbs/handlers.h"
#include "verbs/targets.h"

enum { TAIL_LINES = 20 };

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
	const char *name = call_word(call, "signal", "");
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
				 call_word(call, "name", ""));
	}
	control_message(call->request, "%zu signalled", sent);
	return 0;
}

static int no_file(struct call *call)
{
	return error_set(&call->error, -ENOENT,
			 "%s: its output goes to no file, but where `stdout` and `stderr` say",
			 call_word(call, "name", ""));
}

/* Of standard output, then of that for errors where it has a file of its own. */
static char *last_lines(const struct worker *worker, size_t *bytes)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, bytes);

	for (int is_err = 0; is_err < 2 && out; is_err++) {
		size_t length = 0;
		char *part = worker_tail(worker, is_err, TAIL_LINES, &length);

		if (part)
			fwrite(part, 1, length, out);
		free(part);
	}
	if (out)
		fclose(out);
	return text;
}

static int follow_both(struct call *call, const struct worker *worker)
{
	int err = 0;

	for (int is_err = 0; is_err < 2 && !err; is_err++) {
		const char *path = worker_log_path(worker, is_err);

		if (path)
			err = tail_add(&call->verbs->tails, call->lbd->event, call->request, path,
				       worker_log_user(worker), &call->error);
	}
	if (err)
		tail_gone(&call->verbs->tails, call->request);
	return err;
}

int verb_tail(struct call *call)
{
	struct backend *backend = targets_only(call);
	size_t bytes = 0;
	char *text;
	int err = 0;

	if (!backend)
		return -EINVAL;
	if (!worker_log_path(backend->worker, false) && !worker_log_path(backend->worker, true))
		return no_file(call);
	text = last_lines(backend->worker, &bytes);
	if (call_flag(call, "follow")) {
		control_progress_bytes(call->request, text, bytes);
		err = follow_both(call, backend->worker);
	} else {
		control_reply(call->request, json_text_bytes(text, bytes));
	}
	free(text);
	return err;
}

/* Not truncate(2): that waits for whoever holds a lease on the file. */
static int clear_file(const char *path, uid_t user, struct error *error)
{
	int fd = open_file("log ", path, O_WRONLY, user, error), err = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (ftruncate(fd, 0))
		err = error_set(error, -errno, "log %s: %s", path, strerror(errno));
	close(fd);
	return err;
}

/* 1: it has logs; 0: none; -errno with a line. */
static int clear_logs(const struct worker *worker, struct error *error)
{
	int ret = 0;

	for (int is_err = 0; is_err < 2 && ret >= 0; is_err++) {
		const char *path = worker_log_path(worker, is_err);
		int err = path ? clear_file(path, worker_log_user(worker), error) : 0;

		ret = err ? err : ret || path;
	}
	return ret;
}

int verb_clear(struct call *call)
{
	struct targets *targets = targets_of(call);
	size_t count = 0;
	int ret = 0;

	if (!targets)
		return -ENOENT;
	for (size_t i = 0; i < targets->count && ret >= 0; i++) {
		ret = clear_logs(targets->list[i]->worker, &call->error);
		count += ret > 0;
	}
	free(targets);
	if (ret < 0)
		return ret;
	if (!count)
		return no_file(call);
	control_message(call->request, "%zu cleared", count);
	return 0;
}

int verb_pid(struct call *call)
{
	struct backend *backend;
	json_int_t pid = getpid();

	if (call_word(call, "name", NULL)) {
		backend = targets_only(call);
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

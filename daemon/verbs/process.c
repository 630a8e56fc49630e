/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of a worker's process: signals, its output, its number. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

int verb_tail(struct call *call)
{
	struct backend *backend = targets_only(call);
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
	if (call_flag(call, "follow")) {
		control_progress_bytes(call->request, text, bytes);
		err = tail_add(&call->verbs->tails, call->lbd->event, call->request, path,
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

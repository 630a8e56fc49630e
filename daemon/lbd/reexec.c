/* SPDX-License-Identifier: Apache-2.0 */
#include "lbd/reexec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/control.h"
#include "host/instance/instance.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "host/process/program.h"
#include "host/spawn/reaper.h"
#include "lb/ctl.h"
#include "lbd/run_dir.h"

enum {
	TRIAL_TIMEOUT_US =
		60 * 1000 * 1000, /* it loads the BPF programs, perhaps on a busy machine */
	OPTIONS_EXIT = 2,         /* of a program that does not know --test-takeover */
	OUTPUT_BYTES = 4096,
};

/* The line that tells: the last one, but the first when usage or a trace follows it. */
static void last_line(const char *text, bool first, char *line, size_t room)
{
	const char *at = text + strspn(text, "\n"), *end = text + strlen(text);

	if (!first) {
		while (end > at && end[-1] == '\n')
			end--;
		while (end > at && end[-1] != '\n')
			end--;
		at = end;
	}
	snprintf(line, room, "%.*s", (int)strcspn(at, "\n"), at);
}

static void read_output(const struct reexec *reexec, bool first, char *line, size_t room)
{
	char text[OUTPUT_BYTES];
	ssize_t length = pread(reexec->output, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = 0;
	last_line(text, first, line, room);
}

void reexec_end(struct lbd *lbd)
{
	struct reexec *reexec = &lbd->reexec;

	if (!reexec->child.pid)
		return;
	reexec->end = sd_event_source_disable_unref(reexec->end);
	reexec->late = sd_event_source_disable_unref(reexec->late);
	reaper_take(lbd->event, &reexec->child, NULL, NULL);
	close(reexec->output);
}

static int cannot_reexec(struct error *error, int err, const char *why)
{
	return error_set(error, err, "%s cannot take over: %s; lbd " LB_VERSION " goes on",
			 program_path(), why);
}

static void refuse_program(struct lbd *lbd, const char *why)
{
	struct control_request *request = lbd->reexec.request;
	struct error error;

	cannot_reexec(&error, -ECANCELED, why);
	log_error("%s", error.text);
	reexec_end(lbd);
	lbd->reexec.request = NULL;
	if (request)
		control_refuse(request, LB_CTL_REFUSED, error.text);
}

static void accept_program(struct lbd *lbd, const char *version)
{
	struct control_request *request = lbd->reexec.request;

	log_info("%s takes over from lbd " LB_VERSION, version);
	reexec_end(lbd);
	lbd->reexec.request = NULL;
	lbd->reexec.agreed = true;
	run_dir_hand_on(lbd);
	if (request)
		control_message(request, "%s takes over from lbd " LB_VERSION, version);
	sd_event_exit(lbd->event, 0);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct lbd *lbd = arg;
	struct reexec *reexec = &lbd->reexec;
	char line[256], why[320];
	int status = 0;

	(void)source, (void)events;
	if (process_status(fd, reexec->child.pid, &status) || WIFSIGNALED(status))
		snprintf(why, sizeof(why), "it crashed (SIG%s)", sigabbrev_np(WTERMSIG(status)));
	else if (lbd->model.stopping)
		snprintf(why, sizeof(why), "lbd is being stopped");
	else
		*why = 0;
	read_output(reexec, !status || WEXITSTATUS(status) == OPTIONS_EXIT, line, sizeof(line));
	if (!*why && (status || strncmp(line, "lbd ", 4)))
		snprintf(why, sizeof(why), "it ended with code %d%s%s", WEXITSTATUS(status),
			 *line ? ": " : "", line);
	if (*why)
		refuse_program(lbd, why);
	else
		accept_program(lbd, line);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t now, void *arg)
{
	(void)source, (void)now;
	refuse_program(arg, "it did not end its test within 60 s");
	return 0;
}

/* The arguments of this lbd, and the test. */
static char **trial_words(const struct lbd *lbd)
{
	size_t count = 0;
	char **words;

	while (lbd->argv[count])
		count++;
	words = calloc(count + 2, sizeof(*words));
	if (!words)
		return NULL;
	memcpy(words, lbd->argv, count * sizeof(*words));
	words[0] = (char *)program_path();
	words[count] = (char *)"--test-takeover";
	return words;
}

static int watch_trial(struct lbd *lbd)
{
	struct reexec *reexec = &lbd->reexec;
	int err = sd_event_add_io(lbd->event, &reexec->end, reexec->child.pidfd, EPOLLIN, on_end,
				  lbd);

	if (err < 0)
		return err;
	return clock_arm(lbd->event, &reexec->late, TRIAL_TIMEOUT_US, on_late, lbd);
}

static int try_program(struct lbd *lbd, struct error *error)
{
	struct reexec *reexec = &lbd->reexec;
	struct spawn spawn = {.argv = trial_words(lbd),
			      .envp = environ,
			      .umask = -1,
			      .nice = SPAWN_UNSET_NICE,
			      .nofile = UINT64_MAX,
			      .core = UINT64_MAX,
			      .out = reexec->output,
			      .err = reexec->output,
			      .leashed = true,
			      .no_shell = true};
	struct error why = {"out of memory"};
	int err = spawn.argv ? spawn_run(&spawn, &reexec->child, &why) : -ENOMEM;

	free(spawn.argv);
	if (err) {
		close(reexec->output);
		return cannot_reexec(error, err, why.text);
	}
	err = watch_trial(lbd);
	if (err >= 0)
		return 0;
	reexec_end(lbd);
	return cannot_reexec(error, err, strerror(-err));
}

int reexec_begin(struct lbd *lbd, struct control_request *request, struct error *error)
{
	struct reexec *reexec = &lbd->reexec;
	int err;

	if (reexec->child.pid || reexec->agreed)
		return error_set(error, -EBUSY, "another reexec is under way");
	run_dir_hand_on(lbd);
	reexec->output = memfd_create("reexec", MFD_CLOEXEC);
	if (reexec->output < 0)
		return error_set(error, -errno, "memfd_create: %s", strerror(errno));
	err = try_program(lbd, error);
	if (!err)
		reexec->request = request;
	return err;
}

void reexec_gone(struct lbd *lbd, struct control_request *request)
{
	if (lbd->reexec.request == request)
		lbd->reexec.request = NULL;
}

void reexec_now(struct lbd *lbd, int control)
{
	instance_hand_on(control);
	log_to_stderr();
	execv(program_path(), lbd->argv);
	/* It was there a moment ago. */
	log_error("%s: %s: lbd " LB_VERSION " goes on", program_path(), strerror(errno));
	execv("/proc/self/exe", lbd->argv);
	log_error("cannot execute lbd anew: %s; workers go on without it", strerror(errno));
}

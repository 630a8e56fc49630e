/* SPDX-License-Identifier: Apache-2.0 */
/* A backend is well when a command, told its address, exits with 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/clock.h"
#include "base/own_dir.h"
#include "health/private.h"
#include "host/cgroup/cgroup.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "host/spawn/remains.h"

enum { LOOK_US = 1000 };

/*
 * lbd.checks, or lbd.checks~1 and so on: what an lbd that was killed has left in one is ended by the next one, see
 * worker_sweep(), and all that is in it, so nothing of this lbd's begins there.  It goes with the last check in it.
 */
static const char *make_parent(const char *groups)
{
	static char *parent;

	if (!parent)
		return cgroup_make(groups, "lbd.checks", &parent) ? NULL : parent;
	return own_dir_make(parent) ? NULL : parent;
}

/*
 * lbd.checks/N, for one run: what it leaves behind ends with it, and none of it is taken for the worker's.  NULL:
 * none can be made, and its session is all there is to go by.
 */
static char *make_group(const char *groups)
{
	static unsigned long serial;
	const char *parent = groups ? make_parent(groups) : NULL;
	char path[PATH_MAX];
	int err, tries = 100;

	if (!parent)
		return NULL;
	do {
		if (snprintf(path, sizeof(path), "%s/%lu", parent, serial++) >= (int)sizeof(path))
			return NULL;
		err = own_dir_make_new(path);
	} while (err == -EEXIST && --tries);
	return err ? NULL : strdup(path);
}

static void end_group(struct health *health)
{
	if (health->group)
		remains_group(health->event, health->remains_of, health->group, 2);
	health->group = NULL;
}

static void stop_command(struct health *health)
{
	health->look = sd_event_source_disable_unref(health->look);
	health->source = sd_event_source_disable_unref(health->source);
	health->report = sd_event_source_disable_unref(health->report);
	if (health->child.pidfd < 0)
		return;
	if (!health->group)
		process_signal_session(health->child.pid, 0, SIGKILL);
	end_group(health);
	remains_child(health->event, health->remains_of, &health->child);
}

/* False: it never came to run, and that was the result. */
static bool settle_report(struct health *health)
{
	struct error error;
	int err;

	if (health->child.report < 0)
		return true;
	/* Before its descriptor is closed: a sibling that has not come to exec may hold a copy. */
	health->report = sd_event_source_disable_unref(health->report);
	err = spawn_result(&health->launch.spawn, &health->child, 0, &error);
	if (err && err != -EAGAIN)
		health_result(health, false, "%s", error.text);
	return !err || err == -EAGAIN;
}

static int on_report(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	(void)source, (void)fd, (void)events;
	settle_report(arg);
	return 0;
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *health = arg;
	int status;

	(void)source, (void)events;
	if (!settle_report(health))
		return 0;
	if (process_status(fd, health->child.pid, &status))
		health_result(health, false, "exit code not to be had");
	else if (WIFSIGNALED(status))
		health_result(health, false, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	else
		health_result(health, !WEXITSTATUS(status), "exit code %d", WEXITSTATUS(status));
	return 0;
}

static int put_address(const struct health *health, struct environment *env)
{
	char text[ADDR_TEXT_BYTES];
	int err = environment_put(env, "LBD_ADDRESS", addr_format(&health->endpoint.addr, text));

	snprintf(text, sizeof(text), "%u", ntohs(health->endpoint.port));
	return err ? err : environment_put(env, "LBD_PORT", text);
}

static int build_command(struct health *health, struct error *error)
{
	const struct conf_health *conf = &health->conf;
	struct launch_who who = {conf->user, conf->group, false};
	struct launch_name name = {.worker = "", .pool = "", .port = ntohs(health->endpoint.port)};
	struct launch *launch = &health->launch;
	int err = launch_begin(&who, &name, conf->command, launch, error);

	if (!err && put_address(health, &launch->environment))
		err = error_set(error, -ENOMEM, "environment: out of memory");
	launch->spawn.envp = launch->environment.vars;
	launch->spawn.leashed = true;
	launch->spawn.confinement = conf->confinement;
	if (err)
		launch_clear(launch);
	return err;
}

/* What it prints is nobody's: its exit code is the answer. */
static int fork_command(struct health *health, struct error *error)
{
	struct spawn *spawn = &health->launch.spawn;
	int err;

	spawn->out = spawn->err = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (spawn->out < 0)
		return error_set(error, -errno, "/dev/null: %s", strerror(errno));
	health->group = make_group(health->groups);
	spawn->cgroup = health->group;
	err = spawn_fork(spawn, &health->child, error);
	close(spawn->out);
	spawn->out = spawn->err = -1;
	if (err)
		end_group(health);
	return err;
}

/* Its program may be in a directory that does not answer: that is not waited for here. */
static int run_command(struct health *health)
{
	struct error error;
	int err = health->launch.spawn.argv ? 0 : build_command(health, &error);

	if (!err)
		err = fork_command(health, &error);
	if (err) {
		health_result(health, false, "%s", error.text);
		return 0;
	}
	spawn_go(&health->child);
	err = sd_event_add_io(health->event, &health->source, health->child.pidfd, EPOLLIN, on_end,
			      health);
	if (err >= 0)
		err = sd_event_add_io(health->event, &health->report, health->child.report, EPOLLIN,
				      on_report, health);
	return err < 0 ? err : 0;
}

static int on_look(sd_event_source *source, uint64_t now, void *arg)
{
	struct health *health = arg;

	(void)source, (void)now;
	if (!remains_count(health->remains_of)) {
		health_begin(health);
		return 0;
	}
	health->look_us *= 2;
	clock_arm(health->event, &health->look, health->look_us, on_look, health);
	return 0;
}

/* DANGER: beside one that its user holds, each further one would cost descriptors and a group without a bound. */
static int start_command(struct health *health)
{
	char address[ADDR_TEXT_BYTES];

	snprintf(health->remains_of, sizeof(health->remains_of), "check of %s",
		 addr_format_endpoint(&health->endpoint, address));
	if (!remains_count(health->remains_of))
		return run_command(health);
	health->look_us = LOOK_US;
	return clock_arm(health->event, &health->look, health->look_us, on_look, health);
}

static bool late_command(struct health *health)
{
	char text[REMAINS_TEXT_BYTES];

	if (health->child.pidfd >= 0 || !*remains_describe(health->remains_of, text))
		return false;
	health_result(health, false,
		      "not begun: %s of the check before has not gone: end it, or who holds it",
		      text);
	return true;
}

const struct health_kind health_exec = {.start = start_command,
					.stop = stop_command,
					.late = late_command};

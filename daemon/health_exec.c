/* SPDX-License-Identifier: Apache-2.0 */
/* A backend is well when a command, told its address, exits with 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addr.h"
#include "check_group.h"
#include "health_private.h"
#include "process.h"
#include "reaper.h"

static void stop(struct health *health)
{
	health->source = sd_event_source_disable_unref(health->source);
	health->report = sd_event_source_disable_unref(health->report);
	if (health->child.pidfd < 0)
		return;
	if (!health->group)
		process_signal_session(health->child.pid, 0, SIGKILL);
	check_group_end(health->event, health->group);
	health->group = NULL;
	reaper_take(health->event, &health->child);
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

static int build(struct health *health, struct error *error)
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
static int run(struct health *health, struct error *error)
{
	struct spawn *spawn = &health->launch.spawn;
	int err;

	spawn->out = spawn->err = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (spawn->out < 0)
		return error_set(error, -errno, "/dev/null: %s", strerror(errno));
	health->group = check_group_make(health->groups);
	spawn->cgroup = health->group;
	err = spawn_fork(spawn, &health->child, error);
	close(spawn->out);
	spawn->out = spawn->err = -1;
	if (err) {
		check_group_end(health->event, health->group);
		health->group = NULL;
	}
	return err;
}

/* Its program may be in a directory that does not answer: that is not waited for here. */
static int start(struct health *health)
{
	struct error error;
	int err = health->launch.spawn.argv ? 0 : build(health, &error);

	if (!err)
		err = run(health, &error);
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

const struct health_kind health_exec = {.start = start, .stop = stop};

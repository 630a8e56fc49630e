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
#include "health_private.h"
#include "process.h"

static void stop(struct health *health)
{
	health->source = sd_event_source_disable_unref(health->source);
	if (health->child.pidfd < 0)
		return;
	process_signal_session(health->child.pid, 0, SIGKILL);
	spawn_abandon(&health->child);
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct health *health = arg;
	int status;

	(void)source, (void)events;
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
	err = spawn_run(spawn, &health->child, error);
	close(spawn->out);
	spawn->out = spawn->err = -1;
	return err;
}

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
	err = sd_event_add_io(health->event, &health->source, health->child.pidfd, EPOLLIN, on_end,
			      health);
	return err < 0 ? err : 0;
}

const struct health_kind health_exec = {.start = start, .stop = stop};

/* SPDX-License-Identifier: Apache-2.0 */
/* A backend is well when a command, told its address, exits with 0. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "addr.h"
#include "environment.h"
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

static int fill_environment(const struct health *health, struct environment *env)
{
	char text[ADDR_TEXT_BYTES];
	int err = environment_inherit(env);

	if (!err)
		err = environment_put(env, "LBD_ADDRESS",
				      addr_format(&health->endpoint.addr, text));
	snprintf(text, sizeof(text), "%u", ntohs(health->endpoint.port));
	return err ? err : environment_put(env, "LBD_PORT", text);
}

static int split(const struct health *health, char ***words, struct error *error)
{
	char *command = conf_expand(health->conf.command, "", ntohs(health->endpoint.port), 0);
	int err = command ? conf_split(command, words, error) : -ENOMEM;

	free(command);
	return err || **words ? err : -EINVAL;
}

static int start(struct health *health)
{
	struct spawn spawn = {.umask = -1,
			      .nice = SPAWN_UNSET_NICE,
			      .nofile = UINT64_MAX,
			      .core = UINT64_MAX,
			      .leashed = true};
	struct environment env = {0};
	struct error error = {""};
	int err = split(health, &spawn.argv, &error);

	if (!err)
		err = fill_environment(health, &env);
	spawn.envp = env.vars;
	spawn.out = spawn.err = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (!err && spawn.out < 0)
		err = -errno;
	if (!err)
		err = spawn_run(&spawn, &health->child, &error);
	if (!err)
		err = sd_event_add_io(health->event, &health->source, health->child.pidfd, EPOLLIN,
				      on_end, health);
	if (err < 0 && *error.text) {
		health_result(health, false, "%s", error.text);
		err = 0;
	}
	if (spawn.out >= 0)
		close(spawn.out);
	environment_clear(&env);
	conf_words_free(spawn.argv);
	return err < 0 ? err : 0;
}

const struct health_kind health_exec = {.start = start, .stop = stop};

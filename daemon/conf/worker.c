/* SPDX-License-Identifier: Apache-2.0 */
/* A block `worker { }`: its table, its defaults, and what goes together. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/sysctl.h"
#include "conf/worker_set.h"

#define AT(field)      .offset = offsetof(struct worker_draft, worker.field)
#define NOTE(field)    .note = offsetof(struct worker_draft, field)
#define TIME           "such as 500ms, 10s, 5m, 2h or 1d"
#define OUTPUT_OPTIONS "[size N] [files N] [age TIME] [prefix];"

static const char *const restarts[] = {"always", "on_failure", "never", NULL};
static const char *const readinesses[] = {"listener", "notify", NULL};
static const char *const listens[] = {"own", "inherit", NULL};

const struct conf_directive conf_worker_table[] = {
	{"command", "command \"PROGRAM WORDS...\";", 1, 1, conf_set_command, AT(command)},
	{"ports", "ports FIRST-LAST; or ports FIRST count N|auto; of 1..65535", 1, 3,
	 .set = worker_set_ports, NOTE(ports)},
	{"address", "address ADDRESS;", 1, 1, .set = worker_set_address},
	{"listen", "listen own|inherit;", 1, 1, conf_set_choice,
	 .offset = offsetof(struct worker_draft, listen), .choices = listens},
	{"dual_stack", "dual_stack on|off;", 1, 1, conf_set_flag, AT(dual_stack), NOTE(dual_stack)},
	{"backlog", "backlog N; 1..1048576", 1, 1, conf_set_number, AT(backlog), 1, 1048576,
	 NOTE(backlog)},
	{"directory", "directory DIR;", 1, 1, conf_set_directory, AT(directory)},
	{"user", "user NAME;", 1, 1, conf_set_user, AT(user)},
	{"group", "group NAME;", 1, 1, conf_set_group, AT(group)},
	{"umask", "umask OCTAL; 000..777", 1, 1, conf_set_umask, AT(umask)},
	{"inherit_environment", "inherit_environment on|off;", 1, 1, conf_set_flag,
	 AT(inherit_environment)},
	{"environment", "environment NAME=VALUE...;", 1, CONF_MANY, worker_set_environment,
	 .repeat = true},
	{"environment_file", "environment_file FILE;", 1, 1, worker_set_environment_file,
	 .repeat = true},
	{"autostart", "autostart on|off;", 1, 1, conf_set_flag, AT(autostart)},
	{"restart", "restart always|on_failure|never;", 1, 1, conf_set_choice,
	 .offset = offsetof(struct worker_draft, restart), .choices = restarts},
	{"exit_codes", "exit_codes N...; 0..255", 1, 256, .set = worker_set_exit_codes},
	{"start_retries", "start_retries N; 0..1000000", 1, 1, conf_set_number, AT(start_retries),
	 0, 1000000},
	{"start_timeout", "start_timeout TIME; " TIME, 1, 1, conf_set_ms, AT(start_timeout_ms), 1,
	 MOST_MS},
	{"stable", "stable TIME; " TIME, 1, 1, conf_set_ms, AT(stable_ms), 0, MOST_MS},
	{"backoff", "backoff MIN MAX; times, " TIME, 2, 2, .set = worker_set_backoff},
	{"ready", "ready listener|notify;", 1, 1, conf_set_choice,
	 .offset = offsetof(struct worker_draft, readiness), .choices = readinesses},
	{"watchdog", "watchdog TIME; " TIME, 1, 1, conf_set_ms, AT(watchdog_ms), 0, MOST_MS,
	 NOTE(watchdog)},
	{"stop_signal", "stop_signal TERM; or INT, QUIT, HUP, USR1, USR2, KILL ...", 1, 1,
	 conf_set_signal, AT(stop_signal)},
	{"stop_timeout", "stop_timeout TIME; " TIME, 1, 1, conf_set_ms, AT(stop_timeout_ms), 0,
	 MOST_MS},
	{"priority", "priority N; -999999..999999", 1, 1, .set = worker_set_priority},
	{"stdout", "stdout FILE|syslog|journal|none " OUTPUT_OPTIONS, 1, 8,
	 .set = worker_set_stdout},
	{"stderr", "stderr stdout; or stderr FILE|syslog|journal|none " OUTPUT_OPTIONS, 1, 8,
	 .set = worker_set_stderr},
	{"limit",
	 "limit nofile|pids N; limit core|memory SIZE, such as 512m or 1g; or limit cpu 150%;", 2,
	 2, worker_set_limit, .repeat = true},
	{"no_new_privileges", "no_new_privileges on|off;", 1, 1, conf_set_flag,
	 AT(confinement.no_new_privileges)},
	{"private_tmp", "private_tmp on|off;", 1, 1, conf_set_flag, AT(confinement.private_tmp)},
	{"capabilities", "capabilities NAME...; as in capabilities(7), or capabilities none;", 1,
	 CONF_MANY, .set = worker_set_capabilities},
	{"read_only", "read_only PATH...;", 1, CONF_MANY, .set = worker_set_read_only,
	 .repeat = true},
	{"fuse", "fuse on|off;", 1, 1, conf_set_flag, AT(fuse)},
	{"nice", "nice N; -20..19", 1, 1, .set = worker_set_nice},
	{"before_start", "before_start \"COMMAND\" [user NAME];", 1, 3, worker_set_before_start,
	 AT(before_start)},
	{"after_stop", "after_stop \"COMMAND\" [user NAME];", 1, 3, worker_set_after_stop,
	 AT(after_stop)},
	{"recycle", "recycle age TIME; or recycle memory SIZE; or both", 2, 4, worker_set_recycle,
	 .repeat = true},
	{.name = NULL},
};

static int check_worker(struct worker_draft *draft, const struct block *at, struct error *error)
{
	struct conf_worker *worker = &draft->worker;

	if (!worker->command)
		return block_error(at, error, -EINVAL,
				   "worker: found no command; write command \"PROGRAM "
				   "--port=$port\";");
	if (!draft->ports)
		return block_error(at, error, -EINVAL,
				   "worker: found no ports; write ports 8081-8084; or ports 8081 "
				   "count auto;");
	if (worker->dual_stack && !worker->inherit)
		return block_error(draft->dual_stack, error, -EINVAL,
				   "dual_stack: found without listen inherit;, which it needs: "
				   "lbd opens that listener");
	if (worker->dual_stack && addr_is_v4(&worker->addr) && !addr_is_any(&worker->addr) &&
	    !addr_is_loopback(&worker->addr))
		return block_error(draft->dual_stack, error, -EINVAL,
				   "dual_stack: found with an IPv4 address that has no counterpart "
				   "in IPv6; write address 127.0.0.1; 0.0.0.0; or one of IPv6");
	if (draft->backlog && !worker->inherit)
		return block_error(draft->backlog, error, -EINVAL,
				   "backlog: found without listen inherit;, which it needs: else "
				   "the worker decides");
	if (draft->watchdog && worker->readiness != READY_NOTIFY)
		return block_error(draft->watchdog, error, -EINVAL,
				   "watchdog: found without ready notify;, which it needs");
	return 0;
}

static int make_defaults(const struct block *at, struct worker_draft *draft, struct error *error)
{
	static const struct lb_addr loopback = {
		.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};

	*draft = (struct worker_draft){.worker = {.addr = loopback,
						  .backlog = 4096,
						  .umask = -1,
						  .autostart = true,
						  .exit_codes = {1},
						  .start_retries = 10,
						  .start_timeout_ms = 60000,
						  .stable_ms = 10000,
						  .backoff_min_ms = 100,
						  .backoff_max_ms = 30000,
						  .stop_signal = SIGTERM,
						  .stop_timeout_ms = 10000,
						  .priority = 999,
						  .merge_stderr = true,
						  .stdout_log = CONF_OUTPUT_DEFAULT,
						  .stderr_log = CONF_OUTPUT_DEFAULT,
						  .limits = {.nofile = CONF_UNSET,
							     .core = CONF_UNSET,
							     .memory_max_bytes = CONF_UNSET,
							     .pids_max = CONF_UNSET,
							     .nice = CONF_NICE_UNSET}}};
	draft->worker.environment = calloc(1, sizeof(char *));
	draft->worker.environment_files = calloc(1, sizeof(char *));
	if (!draft->worker.environment || !draft->worker.environment_files) {
		conf_no_memory(at, error);
		return -ENOMEM;
	}
	return 0;
}

/* What a listener on :: is for a program that does not say it: ip(7), ipv6(7). */
static bool is_v6_only(void)
{
	return sysctl_number("net/ipv6/bindv6only", 0);
}

/* What was collected beside the worker. */
static void settle_worker(struct worker_draft *draft)
{
	struct conf_worker *worker = &draft->worker;

	worker->inherit = draft->listen == 1;
	if (worker->inherit && !draft->dual_stack && !addr_is_v4(&worker->addr) &&
	    addr_is_any(&worker->addr))
		worker->dual_stack = !is_v6_only();
	worker->restart = draft->restart;
	worker->readiness = draft->readiness;
	confine_settle(&worker->confinement);
}

static void clear_worker(struct conf_worker *worker)
{
	free(worker->command);
	free(worker->directory);
	free(worker->user);
	free(worker->group);
	conf_words_free(worker->environment);
	conf_words_free(worker->environment_files);
	free(worker->stdout_log.path);
	free(worker->stderr_log.path);
	free(worker->before_start);
	free(worker->after_stop);
	free(worker->before_start_user);
	conf_words_free(worker->confinement.read_only);
	free(worker->after_stop_user);
}

int conf_worker_build(const struct block *at, struct conf_worker **worker,
		      const struct block **ports, struct error *error)
{
	struct worker_draft draft;
	int code = make_defaults(at, &draft, error);

	if (!code)
		code = conf_walk(at, "worker", conf_worker_table, &draft, error);
	settle_worker(&draft);
	if (!code)
		code = check_worker(&draft, at, error);
	if (!code && conf_worker_fingerprint(&draft.worker))
		code = conf_no_memory(at, error);
	*worker = code ? NULL : malloc(sizeof(**worker));
	if (!code && !*worker) {
		conf_no_memory(at, error);
		code = -ENOMEM;
	}
	if (code) {
		clear_worker(&draft.worker);
		return code;
	}
	**worker = draft.worker;
	*ports = draft.ports;
	return 0;
}

void conf_worker_free(struct conf_worker *worker)
{
	if (worker)
		clear_worker(worker);
	free(worker);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker's process finds around it, and what is said when it cannot be started. */
#include "unit/worker_lab.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "host/spawn/spawn.h"
#include "launch/launch.h"
#include "worker/limits.h"

static void put_file(const struct lab *lab, const char *name, const char *text, int mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", lab->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* "DIR/x" in a row stands for the lab's directory. */
static char *in_dir(const struct lab *lab, const char *text)
{
	const char *mark = text ? strstr(text, "DIR/") : NULL;
	char *result = NULL;

	if (!text)
		return NULL;
	if (!mark)
		return strdup(text);
	assert_true(asprintf(&result, "%.*s%s%s", (int)(mark - text), text, lab->dir, mark + 3) >
		    0);
	return result;
}

struct refused {
	const char *name, *command, *directory, *user, *group, *env_file, *log, *hook;
	bool journal;        /* where journald does not run */
	int code;            /* 0: it is forked, and never comes to its program */
	const char *text[3]; /* all of them are in the line */
};

static const struct refused refused[] = {
	{.name = "no such program",
	 .command = "no-such-program --port=$port",
	 .text = {"command no-such-program", "No such file", "PATH"}},
	{.name = "no such path", .command = "/no/such/path", .text = {"command /no/such/path"}},
	{.name = "not executable",
	 .command = "DIR/plain",
	 .text = {"plain: Permission denied", "executable"}},
	{.name = "interpreter missing", .command = "DIR/script", .text = {"script", "interpreter"}},
	{.name = "directory missing",
	 .directory = "/no/such/directory",
	 .text = {"directory /no/such/directory", "No such file"}},
	{.name = "directory is a file",
	 .directory = "DIR/plain",
	 .text = {"directory", "Not a directory"}},
	{.name = "unknown user",
	 .user = "no-such-user",
	 .code = -EINVAL,
	 .text = {"user no-such-user: unknown", "adduser"}},
	{.name = "unknown group",
	 .group = "no-such-group",
	 .code = -EINVAL,
	 .text = {"group no-such-group: unknown"}},
	{.name = "unknown number", .user = "4123456", .code = -EINVAL, .text = {"user 4123456"}},
	{.name = "environment file missing",
	 .env_file = "/no/such/env",
	 .code = -ENOENT,
	 .text = {"environment_file /no/such/env", "No such file"}},
	{.name = "environment file bad",
	 .env_file = "DIR/bad.env",
	 .code = -EINVAL,
	 .text = {"bad.env:2: not NAME=value"}},
	{.name = "log path missing",
	 .log = "/no/such/dir/log",
	 .code = -ENOENT,
	 .text = {"log /no/such/dir/log", "No such file"}},
	{.name = "log is a directory", .log = "/tmp", .code = -EISDIR, .text = {"log /tmp"}},
	{.name = "open quote", .command = "sh -c 'exit", .code = -EINVAL, .text = {"quote"}},
	{.name = "open quote in hook", .hook = "sh 'x", .code = -EINVAL, .text = {"before_start"}},
	{.name = "journal absent",
	 .journal = true,
	 .code = -ENOENT,
	 .text = {"journal: No such file", "systemd-journald"}},
	{.name = "empty command", .command = " ", .code = -EINVAL, .text = {"command"}},
};

static void put_bad_files(struct lab *lab)
{
	put_file(lab, "plain", "x", 0644);
	put_file(lab, "script", "#!/no/such/interpreter\n", 0755);
	put_file(lab, "bad.env", "GOOD=1\nnot a variable\n", 0644);
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		const struct refused *row = &refused[i];
		char *strings[3], *files[2] = {0};
		struct lab lab;
		int code;

		if (row->journal && !access("/run/systemd/journal/stdout", F_OK))
			continue;
		lab_open(&lab, i % 2);
		put_bad_files(&lab);
		strings[0] = in_dir(&lab, row->command);
		strings[1] = in_dir(&lab, row->directory);
		strings[2] = files[0] = in_dir(&lab, row->env_file);
		if (strings[0])
			lab.conf.command = strings[0];
		lab.conf.directory = strings[1];
		if (files[0])
			lab.conf.environment_files = files;
		lab.conf.user = (char *)row->user;
		lab.conf.group = (char *)row->group;
		lab.conf.before_start = (char *)row->hook;
		lab.conf.stdout_log.path = (char *)row->log;
		if (row->journal)
			lab.conf.stdout_log.kind = OUTPUT_JOURNAL;
		code = worker_spawn(lab.worker, &lab.error);
		if (!code)
			lab_await(&lab, lab.exits, 1);
		if (lab.last.why)
			snprintf(lab.error.text, sizeof(lab.error.text), "%s", lab.last.why);
		if (code != row->code)
			fail_msg("%s: %d (%s), expected %d", row->name, code, lab.error.text,
				 row->code);
		for (int t = 0; t < 3 && row->text[t]; t++)
			if (!strstr(lab.error.text, row->text[t]))
				fail_msg("%s: \"%s\" lacks \"%s\"", row->name, lab.error.text,
					 row->text[t]);
		/* Nothing is left: no process, no zombie, no record, and a good start works. */
		assert_int_equal(worker_pid(lab.worker), 0);
		assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
		for (int s = 0; s < 3; s++)
			free(strings[s]);
		lab.conf = lab_conf(&lab);
		lab_spawn(&lab);
		lab_close(&lab);
	}
}

struct found {
	const char *name, *script, *expected;
	const char *directory, *user, *group;
	int umask;
	const char *env[4], *env_file;
	uint64_t nofile, core;
	int nice;
};

#define FOUND .umask = -1, .nofile = CONF_UNSET, .core = CONF_UNSET, .nice = CONF_NICE_UNSET

static const struct found found[] = {
	{FOUND, .name = "port", .script = "echo $port $index $pool $$0",
	 .expected = "18081 0 lab sh"},
	{FOUND, .name = "worker's name", .script = "echo $$LBD_WORKER", .expected = "lab:18081"},
	{FOUND, .name = "environment", .script = "echo $$A-$$B-$$C",
	 .expected = "1-two words-18081", .env = {"A=1", "B=two words", "C=$port"}},
	{FOUND, .name = "environment file", .script = "echo \"$$A|$$B|$$C|$$D\"",
	 .expected = "one|with blanks|it's|",
	 .env_file = "# comment\n\nA=one\n B = \"with blanks\" \nexport C=\"it's\"\nD=\n"},
	{FOUND, .name = "environment over file", .script = "echo $$A", .expected = "2",
	 .env = {"A=2"}, .env_file = "A=1\n"},
	{FOUND, .name = "systemd's are kept from it",
	 .script = "echo $${INVOCATION_ID-none} $${LISTEN_FDS-none} $${WATCHDOG_USEC-none}",
	 .expected = "none none none"},
	{FOUND, .name = "names that are lbd's",
	 .script = "echo $$LBD_WORKER $${LISTEN_FDS-none} $${LISTEN_PID-none} "
		   "$${WATCHDOG_USEC-none} $${LBD_MORE-none} $$MORE_LBD_",
	 .expected = "lab:18081 none none none none kept",
	 .env = {"LISTEN_FDS=1", "LBD_WORKER=z", "MORE_LBD_=kept"},
	 .env_file = "LISTEN_PID=1\nWATCHDOG_USEC=1\nLBD_MORE=1\nLBD_WORKER=y\n"},
	{FOUND, .name = "directory", .script = "pwd", .expected = "/usr", .directory = "/usr"},
	{.name = "umask",
	 .script = "umask",
	 .expected = "0027",
	 .umask = 027,
	 .nofile = CONF_UNSET,
	 .core = CONF_UNSET,
	 .nice = CONF_NICE_UNSET},
	{.name = "nofile",
	 .script = "ulimit -Sn; ulimit -Hn",
	 .expected = "333\n333",
	 .umask = -1,
	 .nofile = 333,
	 .core = CONF_UNSET,
	 .nice = CONF_NICE_UNSET},
	{.name = "core",
	 .script = "ulimit -c",
	 .expected = "0",
	 .umask = -1,
	 .nofile = CONF_UNSET,
	 .core = 0,
	 .nice = CONF_NICE_UNSET},
	{.name = "nice",
	 .script = "nice",
	 .expected = "7",
	 .umask = -1,
	 .nofile = CONF_UNSET,
	 .core = CONF_UNSET,
	 .nice = 7},
	{FOUND, .name = "session of its own",
	 .script = "ps -o sid= -p $$$$ | grep -qw $$$$ && echo yes", .expected = "yes"},
	{FOUND, .name = "no descriptors but the standard ones",
	 .script = "exec 9</proc/self/fd; ls /proc/$$$$/fd; true", /* a pipe would be among them */
	 .expected = "0\n1\n2\n9"},
	{FOUND, .name = "no signal ignored", .script = "grep SigIgn /proc/self/status",
	 .expected = "SigIgn:\t0000000000000000"},
	{FOUND, .name = "no signal blocked", .script = "grep SigBlk /proc/self/status",
	 .expected = "SigBlk:\t0000000000000000"},
	{FOUND, .name = "standard input is empty", .script = "cat; echo end", .expected = "end"},
	{FOUND, .name = "errors merged", .script = "echo out; echo err >&2",
	 .expected = "out\nerr"},
	{FOUND, .name = "user", .user = "nobody",
	 .script = "id -un; id -Gn; echo $$USER $$LOGNAME $$HOME",
	 .expected = "nobody\nnogroup\nnobody nobody /nonexistent"},
	{FOUND, .name = "user by number", .user = "65534", .script = "id -u", .expected = "65534"},
	{FOUND, .name = "group alone", .group = "nogroup", .script = "id -u; id -gn",
	 .expected = "0\nnogroup"},
	{FOUND, .name = "HOME set by hand", .user = "nobody", .env = {"HOME=/tmp"},
	 .script = "echo $$HOME", .expected = "/tmp"},
};

/* Also those that libc uses itself, 32 and 33: whoever starts lbd by posix_spawn(3) leaves them ignored. */
static void ignore_signals(void)
{
	const unsigned long ignore[8] = {(unsigned long)SIG_IGN};

	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	for (int number = 32; number <= 33; number++)
		assert_int_equal(syscall(SYS_rt_sigaction, number, ignore, NULL, NSIG / 8), 0);
}

static void test_found(void **state)
{
	(void)state;
	ignore_signals();
	/* What lbd got from systemd is not for workers. */
	setenv("INVOCATION_ID", "x", 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("WATCHDOG_USEC", "3", 1);
	for (size_t i = 0; i < sizeof(found) / sizeof(*found); i++) {
		const struct found *row = &found[i];
		char command[512], *files[2] = {0}, *vars[5] = {0}, *output;
		struct lab lab;

		if ((row->user || row->group) && geteuid())
			continue;
		lab_open(&lab, i % 2);
		snprintf(command, sizeof(command), "sh -c '%s'", row->script);
		if (strchr(row->script, '\''))
			snprintf(command, sizeof(command), "sh -c \"%s\"", row->script);
		lab.conf.command = command;
		lab.conf.directory = (char *)row->directory;
		lab.conf.user = (char *)row->user;
		lab.conf.group = (char *)row->group;
		lab.conf.umask = row->umask;
		lab.conf.limits.nofile = row->nofile;
		lab.conf.limits.core = row->core;
		lab.conf.limits.nice = row->nice;
		for (int v = 0; v < 4; v++)
			vars[v] = (char *)row->env[v];
		lab.conf.environment = vars;
		if (row->env_file) {
			put_file(&lab, "env", row->env_file, 0644);
			files[0] = in_dir(&lab, "DIR/env");
			lab.conf.environment_files = files;
		}
		output = lab_output(&lab);
		if (!output || strncmp(output, row->expected, strlen(row->expected)) ||
		    strlen(output) > strlen(row->expected) + 1)
			fail_msg("%s: \"%s\", expected \"%s\"", row->name, output ? output : "",
				 row->expected);
		free(output);
		free(files[0]);
		lab_close(&lab);
	}
	unsetenv("INVOCATION_ID");
	unsetenv("LISTEN_FDS");
	unsetenv("WATCHDOG_USEC");
}

/* Were lbd killed between fork and the record, nobody would know of the child: it must not live. */
static void test_child_without_parent(void **state)
{
	char *argv[] = {(char *)"sleep", (char *)"60", NULL}, *envp[] = {NULL};
	struct spawn spawn = {.argv = argv,
			      .envp = envp,
			      .umask = -1,
			      .nofile = UINT64_MAX,
			      .core = UINT64_MAX,
			      .nice = SPAWN_UNSET_NICE,
			      .out = 2,
			      .err = 2};
	struct spawn_child child;
	struct error error;
	siginfo_t info;

	(void)state;
	assert_int_equal(spawn_fork(&spawn, &child, &error), 0);
	close(child.go);
	child.go = -1;
	assert_int_equal(waitid(P_PIDFD, child.pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_code, CLD_EXITED);
	assert_int_equal(info.si_status, 127);
	spawn_abandon(&child);
}

/* What is written where; the files of a group stand in a plain directory here. */
static void test_limits(void **state)
{
	static const char *const files[] = {"memory.max", "pids.max", "cpu.max"};
	static const char *const wanted[] = {"67108864", "100", "150000 100000"};
	struct conf_limits limits = {.memory_max_bytes = 64 << 20,
				     .pids_max = 100,
				     .cpu_max_percent = 150};
	struct error error = {""};
	char path[128], text[64];
	struct lab lab;

	(void)state;
	lab_open(&lab, false);
	for (int i = 0; i < 3; i++)
		put_file(&lab, files[i], "", 0644);
	assert_int_equal(worker_limits_set(&limits, lab.dir, &error), 0);
	for (int i = 0; i < 3; i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", lab.dir, files[i]);
		file = fopen(path, "re");
		assert_non_null(file);
		assert_non_null(fgets(text, sizeof(text), file));
		assert_string_equal(text, wanted[i]);
		fclose(file);
	}
	/* One that is missing is named; the rest is set. */
	snprintf(path, sizeof(path), "%s/memory.max", lab.dir);
	unlink(path);
	limits.pids_max = 200;
	assert_int_equal(worker_limits_set(&limits, lab.dir, &error), -ENOENT);
	assert_non_null(strstr(error.text, "memory.max 67108864: controller memory is not"));
	assert_int_equal(worker_limits_set(&limits, NULL, &error), -ENOENT);
	assert_non_null(strstr(error.text, "no cgroup v2 here"));
	lab_close(&lab);
}

/* A limit that cannot be had here is no reason not to run. */
static void test_limits_missing(void **state)
{
	struct lab lab;
	char *output;

	(void)state;
	lab_open(&lab, false);
	lab.conf.limits.memory_max_bytes = 64 << 20;
	lab.conf.command = (char *)"echo runs";
	output = lab_output(&lab);
	assert_string_equal(output, "runs\n");
	free(output);
	lab_close(&lab);
}

struct hook {
	const char *name, *before, *command, *after;
	uint32_t timeout_ms;
	int code, signal;
	const char *output;
	const char *why; /* how what is told of it begins, when the program never ran */
};

static const struct hook hooks[] = {
	{.name = "all three",
	 .before = "echo before",
	 .command = "echo main",
	 .after = "echo after",
	 .output = "before\nmain\nafter\n"},
	{.name = "before fails",
	 .before = "sh -c 'echo no; exit 3'",
	 .command = "echo main",
	 .code = 127,
	 .output = "no\n",
	 .why = "before_start sh: exit code 3; 0 lets the worker start"},
	{.name = "before says that something is missing",
	 .before = "sh -c 'no-such-command 2>&1 | sed s/.*no-/no-/; exit 127'",
	 .command = "echo main",
	 .code = 127,
	 .output = "no-such-command: not found\n",
	 .why = "before_start sh: exit code 127; 0 lets the worker start"},
	{.name = "before is missing",
	 .before = "no-such-hook",
	 .command = "echo main",
	 .code = 127,
	 .why = "before_start no-such-hook: No such file or directory"},
	{.name = "before hangs",
	 .before = "sleep 60",
	 .command = "echo main",
	 .timeout_ms = 50,
	 .code = 127,
	 .why = "before_start sleep: Connection timed out"},
	{.name = "the program itself is missing, after a hook",
	 .before = "sleep 0.01",
	 .command = "no-such-program",
	 .code = 127,
	 .why = "command no-such-program: No such file or directory"},
	{.name = "after hangs",
	 .command = "echo main",
	 .after = "sleep 60",
	 .timeout_ms = 50,
	 .output = "main\n"},
	{.name = "after is missing",
	 .command = "echo main",
	 .after = "no-such-hook",
	 .output = "main\n"},
	{.name = "after a failure",
	 .command = "sh -c 'exit 4'",
	 .after = "echo after",
	 .code = 4,
	 .output = "after\n"},
};

static void test_hooks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks) * 2; i++) {
		const struct hook *row = &hooks[i / 2];
		struct lab lab;
		char *output = NULL;
		const char *why;
		bool ran;

		lab_open(&lab, i % 2);
		lab.conf.before_start = (char *)row->before;
		lab.conf.command = (char *)row->command;
		lab.conf.after_stop = (char *)row->after;
		if (row->timeout_ms)
			lab.conf.start_timeout_ms = lab.conf.stop_timeout_ms = row->timeout_ms;
		ran = !worker_spawn(lab.worker, &lab.error);
		if (ran) {
			lab_await(&lab, lab.exits, 1);
			output = worker_last_output(lab.worker, 200, &(size_t){0});
			why = lab.last.why ? lab.last.why : "";
		} else { /* where a hook that fails is over before its parent looks */
			lab.last.code = 127;
			why = lab.error.text;
		}
		if (strncmp(why, row->why ? row->why : "", row->why ? strlen(row->why) : 1))
			fail_msg("%s: told as \"%s\"", row->name, why);
		if (lab.last.code != row->code ||
		    (ran && strcmp(output ? output : "", row->output ? row->output : "")))
			fail_msg("%s: exit code %d, output \"%s\" %s", row->name, lab.last.code,
				 output ? output : "", lab.error.text);
		free(output);
		lab_close(&lab);
	}
}

/* An argument names one test, with * and ?. */
static void *end_at_once(void *unused)
{
	return unused;
}

static atomic_bool is_over;

/* As lbd's threads do that close what strangers have passed. */
static void *begin_and_end(void *unused)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	while (!is_over)
		pthread_create(&thread, &attributes, end_at_once, NULL);
	pthread_attr_destroy(&attributes);
	return unused;
}

/* Whatever the threads of lbd do as it forks, the child comes to its program, and its hook does. */
static void test_threads(void **state)
{
	pthread_t threads;
	struct lab lab;

	(void)state;
	if (geteuid())
		skip();
	lab_open(&lab, false);
	lab.conf.command = (char *)"echo ran";
	lab.conf.user = (char *)"daemon";
	lab.conf.before_start = (char *)"true";
	assert_int_equal(pthread_create(&threads, NULL, begin_and_end, NULL), 0);
	for (int i = 0; i < 100; i++)
		free(lab_output(&lab));
	is_over = true;
	pthread_join(threads, NULL);
	lab_close(&lab);
}

/* What an environment file brings of the variables that only lbd can fill in: too short for a pid. */
static char *brought[] = {(char *)"LISTEN_PID=",
			  (char *)"LISTEN_FDS=",
			  (char *)"LISTEN_PIDFDID=",
			  (char *)"WATCHDOG_PID=",
			  (char *)"WATCHDOG_USEC=",
			  (char *)"NOTIFY_SOCKET=",
			  NULL};

static void assert_found(const struct launch *launch, const char *name, const char *value)
{
	const char *is = environment_find(&launch->environment, name);

	if (value)
		assert_string_equal(is, value);
	else
		assert_null(is);
}

/* The child writes its pid only where lbd has made room. */
static void test_protocols(void **unused)
{
	static const struct {
		unsigned listeners;
		bool notify;
		uint32_t watchdog_ms;
		const char *fds, *socket, *usec;
	} rows[] = {
		{0, false, 0, NULL, NULL, NULL}, {1, false, 0, "1", NULL, NULL},
		{0, true, 0, NULL, "/x", NULL},  {0, true, 7, NULL, "/x", "7000"},
		{2, true, 7, "2", "/x", "7000"},
	};
	const struct launch_name name = {.worker = "w", .pool = "p"};
	const struct conf_worker conf = {.environment = brought, .environment_files = &brought[6]};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct launch launch;
		struct error error;

		assert_int_equal(launch_build(&conf, &name, "true", NULL, &launch, &error), 0);
		launch.spawn.listener_count = rows[i].listeners;
		assert_int_equal(launch_add_listeners(&name, &launch), 0);
		if (rows[i].notify)
			assert_int_equal(launch_add_notify("/x", rows[i].watchdog_ms, &launch), 0);
		assert_found(&launch, "LISTEN_FDS", rows[i].fds);
		assert_found(&launch, "LISTEN_PIDFDID", NULL);
		assert_found(&launch, "NOTIFY_SOCKET", rows[i].socket);
		assert_found(&launch, "WATCHDOG_USEC", rows[i].usec);
		assert_int_equal(!launch.spawn.own_pid[0], !rows[i].listeners);
		assert_int_equal(!launch.spawn.own_pid[1], !rows[i].watchdog_ms);
		for (size_t k = 0; k < 2; k++)
			if (launch.spawn.own_pid[k])
				assert_int_equal(strlen(launch.spawn.own_pid[k]), 10);
		if (rows[i].listeners || rows[i].notify)
			assert_ptr_equal(launch.spawn.envp, launch.environment.vars);
		launch_clear(&launch);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_child_without_parent),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limits_missing),
		cmocka_unit_test(test_hooks),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_protocols),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

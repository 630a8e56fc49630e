/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's life: exits, stopping, its group, being taken back by a later lbd, readiness. */
#include "unit/worker_lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/tail.h"
#include "host/process/process.h"
#include "host/process/process_life.h"
#include "worker/record.h"

#define IN_BOTH(lab, i) ((i) % 2) /* with a cgroup and without */

struct ending {
	const char *name, *script;
	int code, signal;
	bool expected, core;
};

static const struct ending endings[] = {
	{.name = "zero", .script = "exit 0", .code = 0, .expected = true},
	{.name = "listed", .script = "exit 3", .code = 3, .expected = true},
	{.name = "listed, of the last word", .script = "exit 255", .code = 255, .expected = true},
	{.name = "not listed", .script = "exit 1", .code = 1},
	{.name = "TERM", .script = "kill -TERM $$$$", .code = -1, .signal = SIGTERM},
	{.name = "KILL", .script = "kill -KILL $$$$", .code = -1, .signal = SIGKILL},
	{.name = "SEGV without core",
	 .script = "ulimit -c 0; kill -SEGV $$$$",
	 .code = -1,
	 .signal = SIGSEGV},
};

static void test_endings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings) * 2; i++) {
		const struct ending *row = &endings[i / 2];
		char command[128], *output;
		struct lab lab;

		lab_open(&lab, IN_BOTH(lab, i));
		snprintf(command, sizeof(command), "sh -c '%s'", row->script);
		lab.conf.command = command;
		lab.conf.exit_codes[0] = 1 << 0 | 1 << 3;
		lab.conf.exit_codes[3] = 1ull << 63;
		output = lab_output(&lab);
		free(output);
		if (!lab.last.known || lab.last.code != row->code ||
		    lab.last.signal != row->signal || lab.last.expected != row->expected)
			fail_msg("%s: known %d code %d signal %d expected %d", row->name,
				 lab.last.known, lab.last.code, lab.last.signal, lab.last.expected);
		assert_int_equal(worker_pid(lab.worker), 0);
		lab_close(&lab);
	}
}

struct backoff {
	unsigned failures;
	uint32_t min_ms, max_ms, delay_ms;
};

static const struct backoff backoffs[] = {
	{1, 100, 30000, 100},    {2, 100, 30000, 200},
	{3, 100, 30000, 400},    {9, 100, 30000, 25600},
	{10, 100, 30000, 30000}, {1000000, 100, 30000, 30000},
	{1, 500, 500, 500},      {7, 500, 500, 500},
	{1, 0, 1000, 0},         {4000000000u, 1, UINT32_MAX, UINT32_MAX},
	{3, 3000, 5000, 5000},   {0, 100, 30000, 100},
	{5, 0, 1000, 0},
};

static void test_backoff(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(backoffs) / sizeof(*backoffs); i++) {
		const struct backoff *row = &backoffs[i];
		uint32_t delay = worker_backoff_ms(row->failures, row->min_ms, row->max_ms);

		if (delay != row->delay_ms)
			fail_msg("%u failures, %u to %u: %u, expected %u", row->failures,
				 row->min_ms, row->max_ms, delay, row->delay_ms);
	}
}

enum { LONG_MS = 60000 }; /* who ends by itself is not killed, however busy the machine is */

struct stopping {
	const char *name, *script;
	int stop_signal;
	uint32_t timeout_ms;
	bool stop_it_first; /* SIGSTOP before */
	int code, signal;
	uint64_t at_least_ms;
};

static const struct stopping stoppings[] = {
	{.name = "at once",
	 .script = "echo up; exec sleep 60",
	 .stop_signal = SIGTERM,
	 .timeout_ms = LONG_MS,
	 .code = -1,
	 .signal = SIGTERM},
	{.name = "cleans up",
	 .script = "trap \"exit 5\" TERM; echo up; while :; do sleep 0.01; done",
	 .stop_signal = SIGTERM,
	 .timeout_ms = LONG_MS,
	 .code = 5},
	{.name = "other signal",
	 .script = "trap \"exit 6\" USR1; echo up; while :; do sleep 0.01; done",
	 .stop_signal = SIGUSR1,
	 .timeout_ms = LONG_MS,
	 .code = 6},
	{.name = "ignores it",
	 .script = "trap \"\" TERM; echo up; while :; do sleep 1; done",
	 .stop_signal = SIGTERM,
	 .timeout_ms = 200,
	 .code = -1,
	 .signal = SIGKILL,
	 .at_least_ms = 195},
	{.name = "stopped by SIGSTOP",
	 .script = "echo up; exec sleep 60",
	 .stop_signal = SIGTERM,
	 .timeout_ms = LONG_MS,
	 .stop_it_first = true,
	 .code = -1,
	 .signal = SIGTERM},
};

static void test_stopping(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stoppings) / sizeof(*stoppings) * 2; i++) {
		const struct stopping *row = &stoppings[i / 2];
		struct process_stat stat = {0};
		char command[256];
		struct lab lab;
		uint64_t took;

		lab_open(&lab, IN_BOTH(lab, i));
		assert_int_equal(worker_stop(lab.worker), -ESRCH);
		assert_int_equal(worker_kill(lab.worker), -ESRCH);
		assert_int_equal(worker_signal(lab.worker, SIGHUP), -ESRCH);
		snprintf(command, sizeof(command), "sh -c '%s'", row->script);
		lab.conf.command = command;
		lab.conf.stop_signal = row->stop_signal;
		lab.conf.stop_timeout_ms = row->timeout_ms;
		lab_spawn(&lab);
		assert_int_equal(worker_spawn(lab.worker, &lab.error), -EALREADY);
		lab_await_output(&lab, "up");
		if (row->stop_it_first) {
			assert_int_equal(worker_signal(lab.worker, SIGSTOP), 0);
			while (stat.state != 'T')
				assert_int_equal(process_stat(worker_pid(lab.worker), &stat), 0);
		}
		took = lab_now_ms();
		assert_int_equal(worker_stop(lab.worker), 0);
		assert_int_equal(worker_stop(lab.worker), 0);
		lab_await(&lab, lab.exits, 1);
		took = lab_now_ms() - took;
		if (lab.last.code != row->code || lab.last.signal != row->signal ||
		    took < row->at_least_ms)
			fail_msg("%s: code %d signal %d after %llu ms", row->name, lab.last.code,
				 lab.last.signal, (unsigned long long)took);
		lab_close(&lab);
	}
}

static bool is_running(pid_t pid)
{
	struct process_stat stat;

	return !process_stat(pid, &stat) && stat.state != 'Z';
}

/* Of one that is no child of ours. */
static void kill_and_wait(pid_t pid)
{
	struct pollfd ended = {.fd = process_open(pid), .events = POLLIN};

	assert_true(ended.fd >= 0);
	kill(pid, SIGKILL);
	assert_int_equal(poll(&ended, 1, -1), 1);
	close(ended.fd);
}

/* Pids that the worker has printed, one a line after "pid". */
static int read_pids_of(const char *dir, pid_t pids[8])
{
	char path[128], *output, *line;
	int count = 0;

	snprintf(path, sizeof(path), "%s/lab:18081.log", dir);
	line = output = tail_lines(path, 50, geteuid(), NULL, &(size_t){0});
	while (line && count < 8 && (line = strstr(line, "pid ")))
		pids[count++] = atoi(line += 4);
	free(output);
	return count;
}

static int read_pids(const struct lab *lab, pid_t pids[8])
{
	return read_pids_of(lab->dir, pids);
}

struct tree {
	const char *name, *script;
	int pids;
	bool needs_cgroup;
	enum { BY_STOP, BY_EXIT, BY_KILL } by;
};

#define CHILD                                                                                      \
	"(trap \"\" TERM HUP; echo pid $$(exec sh -c \"echo \\$$PPID\"); while :; do sleep 1; "    \
	"done) & "
#define UNTIL_USR1 "trap \"exit 0\" USR1; echo up; while :; do wait; done"

static const struct tree trees[] = {
	{.name = "stopped, children ignore TERM",
	 .by = BY_STOP,
	 .pids = 2,
	 .script = CHILD CHILD UNTIL_USR1},
	{.name = "killed", .by = BY_KILL, .pids = 2, .script = CHILD CHILD UNTIL_USR1},
	{.name = "exits and leaves a child", .by = BY_EXIT, .pids = 1, .script = CHILD UNTIL_USR1},
	{.name = "child in a session of its own",
	 .by = BY_STOP,
	 .pids = 1,
	 .needs_cgroup = true,
	 .script = "setsid sh -c \"trap : TERM; echo pid \\$$\\$$; while :; do sleep 1; done\" "
		   "& " UNTIL_USR1},
};

static void await_pids(struct lab *lab, pid_t pids[8], int wanted)
{
	uint64_t end = lab_now_ms() + lab_timeout_ms();

	while (read_pids(lab, pids) < wanted) {
		assert_true(lab_now_ms() < end);
		assert_true(sd_event_run(lab->event, 2000) >= 0);
	}
}

static void test_trees(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(trees) / sizeof(*trees) * 2; i++) {
		const struct tree *row = &trees[i / 2];
		char command[512];
		pid_t pids[8];
		struct lab lab;

		lab_open(&lab, IN_BOTH(lab, i));
		snprintf(command, sizeof(command), "sh -c '%s'", row->script);
		lab.conf.command = command;
		lab_spawn(&lab);
		lab_await_output(&lab, "up");
		await_pids(&lab, pids, row->pids);
		if (row->by == BY_STOP)
			assert_int_equal(worker_stop(lab.worker), 0);
		if (row->by == BY_KILL)
			assert_int_equal(worker_kill(lab.worker), 0);
		if (row->by == BY_EXIT)
			assert_int_equal(worker_signal(lab.worker, SIGUSR1), 0);
		lab_await(&lab, lab.exits, 1);
		for (int p = 0; p < row->pids; p++)
			if (is_running(pids[p])) {
				kill(pids[p], SIGKILL);
				if (!row->needs_cgroup || lab.cgroup)
					fail_msg("%s: child %d runs on", row->name, pids[p]);
			}
		lab_close(&lab);
	}
}

static void test_taken_back(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct record record;
		struct lab lab;
		uint64_t started;
		pid_t pid;

		lab_open(&lab, IN_BOTH(lab, i));
		lab.conf.command = (char *)"sh -c 'echo up; read x; sleep 60'";
		lab_spawn(&lab);
		lab_await_output(&lab, "up");
		pid = worker_pid(lab.worker);
		started = worker_started_us(lab.worker);
		assert_int_equal(record_read(lab.dir, NULL, "lab:18081", &record), 0);
		assert_int_equal(record.pid, pid);
		worker_free(lab.worker);
		assert_true(is_running(pid));

		assert_int_equal(lab_new_worker(&lab), 0);
		assert_int_equal(worker_pid(lab.worker), pid);
		assert_false(worker_adopted(lab.worker)); /* it is our child all the same */
		/* The same, but for what runs between two readings of clocks. */
		assert_true(worker_started_us(lab.worker) < started + 500000 &&
			    worker_started_us(lab.worker) + 500000 > started);
		assert_true(worker_memory(lab.worker) > 0);
		assert_int_equal(worker_stop(lab.worker), 0);
		lab_await(&lab, lab.exits, 1);
		assert_true(lab.last.known);
		assert_int_equal(lab.last.signal, SIGTERM);
		assert_int_equal(record_read(lab.dir, NULL, "lab:18081", &record), -ENOENT);
		lab_close(&lab);
	}
}

/* Whatever comes between two readings of clocks: so often that something does. */
static void test_start_time(void **state)
{
	uint64_t first, ticks;

	(void)state;
	assert_int_equal(process_start_ticks(getpid(), &ticks), 0);
	first = process_started_us(ticks);
	for (int i = 0; i < 200000; i++)
		assert_in_range(process_started_us(ticks), first - 500000, first + 500000);
}

enum { DAY_S = 86400, NO_NAMESPACES = 77 };

/* In a time namespace clocks and the kernel's own times differ. */
static void in_time_namespace(const char *offsets)
{
	FILE *file;
	uint64_t ticks, now;
	int status;

	if (unshare(CLONE_NEWTIME))
		_exit(NO_NAMESPACES);
	file = fopen("/proc/self/timens_offsets", "w");
	if (!file || fputs(offsets, file) < 0 || fclose(file))
		_exit(2);
	if (!fork()) {
		if (process_start_ticks(getpid(), &ticks))
			_exit(2);
		now = clock_us() / 1000000;
		_exit(llabs((long long)(process_started_us(ticks) / 1000000) - (long long)now) >
		      DAY_S);
	}
	wait(&status);
	_exit(WEXITSTATUS(status));
}

static void test_start_time_in_a_namespace(void **state)
{
	static const char *const offsets[] = {"monotonic 5000000 0\nboottime 10000000 0\n",
					      "boottime 900000 0\n", "monotonic 900000 0\n"};
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		pid_t child = fork();

		if (!child)
			in_time_namespace(offsets[i]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == NO_NAMESPACES)
			skip();
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* Runs what an earlier lbd did in a process that is then killed, as an lbd may be. */
#define AS_EARLIER_LBD(lab, action)                                                                \
	do {                                                                                       \
		pid_t earlier_ = fork();                                                           \
		int status_;                                                                       \
		assert_true(earlier_ >= 0);                                                        \
		if (!earlier_) {                                                                   \
			sd_event_unref((lab)->event);                                              \
			sd_event_new(&(lab)->event);                                               \
			(lab)->host.event = (lab)->event;                                          \
			action;                                                                    \
			kill(getpid(), SIGKILL);                                                   \
		}                                                                                  \
		assert_int_equal(waitpid(earlier_, &status_, 0), earlier_);                        \
		if (!WIFSIGNALED(status_) || WTERMSIG(status_) != SIGKILL)                         \
			fail_msg("earlier lbd: status %x", status_);                               \
	} while (0)

static bool kernel_tells_exits(void)
{
	struct process_stat self;
	int a = 0, b = 0;
	FILE *file = fopen("/proc/sys/kernel/osrelease", "re");

	assert_int_equal(process_stat(getpid(), &self), 0);
	if (file && fscanf(file, "%d.%d", &a, &b) != 2)
		a = 0;
	if (file)
		fclose(file);
	return a > 6 || (a == 6 && b >= 15);
}

static void test_adopted(void **state)
{
	static const struct {
		const char *script;
		int code, signal;
		bool stop;
		uint32_t timeout_ms;
	} rows[] = {
		{"echo up; sleep 0.2; exit 7", 7, 0, false, LONG_MS},
		{"echo up; exec sleep 60", -1, SIGTERM, true, LONG_MS},
		{"trap \"\" TERM; echo up; while :; do sleep 1; done", -1, SIGKILL, true, 200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) * 2; i++) {
		char command[256];
		struct lab lab;

		lab_open(&lab, IN_BOTH(lab, i));
		snprintf(command, sizeof(command), "sh -c '%s'", rows[i / 2].script);
		lab.conf.command = command;
		lab.conf.stop_timeout_ms = rows[i / 2].timeout_ms;
		worker_free(lab.worker);
		AS_EARLIER_LBD(&lab, {
			lab_new_worker(&lab);
			lab_spawn(&lab);
		});
		assert_int_equal(lab_new_worker(&lab), 0);
		assert_true(worker_pid(lab.worker) > 0);
		assert_true(worker_adopted(lab.worker));
		lab_await_output(&lab, "up");
		if (rows[i / 2].stop)
			assert_int_equal(worker_stop(lab.worker), 0);
		lab_await(&lab, lab.exits, 1);
		if (kernel_tells_exits()) {
			assert_true(lab.last.known);
			assert_int_equal(lab.last.code, rows[i / 2].code);
			assert_int_equal(lab.last.signal, rows[i / 2].signal);
		}
		lab_close(&lab);
	}
}

/* The worker died while no lbd ran: what it left behind is ended, and a start is possible. */
static void test_buried(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct record record;
		pid_t pids[8];
		struct lab lab;

		lab_open(&lab, IN_BOTH(lab, i));
		lab.conf.command = (char *)"sh -c '" CHILD UNTIL_USR1 "'";
		worker_free(lab.worker);
		AS_EARLIER_LBD(&lab, {
			lab_new_worker(&lab);
			lab_spawn(&lab);
			lab_await_output(&lab, "up");
			pid_t none[8];

			await_pids(&lab, none, 1);
		});
		assert_int_equal(record_read(lab.dir, NULL, "lab:18081", &record), 0);
		kill_and_wait(record.pid);
		assert_int_equal(lab_new_worker(&lab), 0);
		assert_int_equal(worker_pid(lab.worker), 0);
		assert_int_equal(record_read(lab.dir, NULL, "lab:18081", &record), -ENOENT);
		assert_int_equal(read_pids_of(lab.dir, pids), 1);
		assert_false(is_running(pids[0]));
		lab.conf.command = (char *)"true";
		lab_spawn(&lab);
		lab_await(&lab, lab.exits, 1);
		lab_close(&lab);
	}
}

/* A pid that another process has now, or had before a reboot, is nobody of ours. */
static void test_strangers(void **state)
{
	struct record record = {.pid = getpid()};
	struct lab lab;

	(void)state;
	lab_open(&lab, true);
	worker_free(lab.worker);
	assert_int_equal(record_identify(&record), 0);
	record.start_ticks--;
	assert_int_equal(record_write(lab.dir, "lab:18081", &record), 0);
	assert_int_equal(lab_new_worker(&lab), 0);
	assert_int_equal(worker_pid(lab.worker), 0);
	worker_free(lab.worker);

	assert_int_equal(record_identify(&record), 0);
	record.boot[0] ^= 1;
	assert_int_equal(record_write(lab.dir, "lab:18081", &record), 0);
	assert_int_equal(lab_new_worker(&lab), 0);
	assert_int_equal(worker_pid(lab.worker), 0);
	lab_close(&lab);
}

static void test_sweep(void **state)
{
	const char *const keep[] = {"other:1", "lab:18081", NULL}, *const none[] = {NULL};
	struct lab lab;
	pid_t pid;

	(void)state;
	for (int i = 0; i < 2; i++) {
		lab_open(&lab, IN_BOTH(lab, i));
		lab_spawn(&lab);
		pid = worker_pid(lab.worker);
		worker_free(lab.worker);
		assert_int_equal(worker_sweep(&lab.host, keep), 0);
		assert_true(is_running(pid));
		assert_int_equal(worker_sweep(&lab.host, none), 0);
		assert_false(is_running(pid));
		assert_int_equal(lab_new_worker(&lab), 0);
		assert_int_equal(worker_pid(lab.worker), 0);
		assert_int_equal(worker_sweep(&lab.host, none), 0);
		lab_close(&lab);
	}
}

/* A program in a file: quoting is another test's concern. */
static void set_program(struct lab *lab, char *command, size_t room, const char *body)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/program.py", lab->dir);
	file = fopen(path, "we");
	assert_non_null(file);
	fprintf(file, "import os,select,socket,sys,time\n%s", body);
	fclose(file);
	snprintf(command, room, "python3 %s", path);
	lab->conf.command = command;
	lab->conf.readiness = READY_NOTIFY;
}

#define NOTIFIER  "s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n"
#define SAY(text) "s.sendto(b'" text "',os.environ['NOTIFY_SOCKET'])\n"

static void test_notify(void **state)
{
	char command[1024];
	struct lab lab;

	(void)state;
	for (int i = 0; i < 2; i++) {
		lab_open(&lab, IN_BOTH(lab, i));
		set_program(&lab, command, sizeof(command),
			    NOTIFIER SAY("STATUS=warming up") SAY("READY=0")
				    SAY("READY=1\\nSTATUS=all well")
					    SAY("STOPPING=1") "time.sleep(60)");
		lab_spawn(&lab);
		lab_await(&lab, lab.stoppings, 1);
		assert_int_equal(lab.readies, 1);
		assert_string_equal(worker_status(lab.worker), "all well");

		/* A later lbd knows, and says so from its loop. */
		worker_free(lab.worker);
		assert_int_equal(lab_new_worker(&lab), 0);
		assert_int_equal(lab.readies, 1);
		lab_await(&lab, lab.readies, 2);
		lab_close(&lab);
	}
}

/* A child of the worker may speak for it, a stranger may not. */
static void test_notify_senders(void **state)
{
	struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} sa = {.family = AF_UNIX};
	char command[1024];
	struct lab lab;
	int fd;

	(void)state;
	for (int i = 0; i < 2; i++) {
		lab_open(&lab, IN_BOTH(lab, i));
		set_program(&lab, command, sizeof(command),
			    NOTIFIER
			    "if os.fork():time.sleep(60)\n" SAY("READY=1") "time.sleep(60)");
		lab_spawn(&lab);
		snprintf(sa.path, sizeof(sa.path), "%s/notify/lab:18081", lab.dir);
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(sendto(fd, "STOPPING=1", 10, 0, (void *)&sa, sizeof(sa)), 10);
		close(fd);
		lab_await(&lab, lab.readies, 1);
		assert_int_equal(lab.stoppings, 0);
		lab_close(&lab);
	}
}

static void test_watchdog(void **state)
{
	static const struct {
		const char *name, *body;
		int hungs;
		bool freeze;
	} rows[] = {
		{"never pats", NOTIFIER SAY("READY=1") "time.sleep(60)", 1, false},
		{"pats, then not",
		 NOTIFIER SAY("READY=1") "for i in range(100):\n " SAY(
			 "WATCHDOG=1") " time.sleep(0.02)\n"
				       "time.sleep(60)",
		 1, false},
		{"triggers", NOTIFIER SAY("READY=1") SAY("WATCHDOG=trigger") "time.sleep(60)", 1,
		 false},
	};
	char command[1024];
	struct lab lab;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) * 2; i++) {
		uint64_t began = lab_now_ms();

		lab_open(&lab, IN_BOTH(lab, i));
		set_program(&lab, command, sizeof(command), rows[i / 2].body);
		lab.conf.watchdog_ms = 1000;
		lab_spawn(&lab);
		lab_await(&lab, lab.hungs, rows[i / 2].hungs);
		if (i / 2 == 1 && lab_now_ms() - began < 3000)
			fail_msg("%s: hung after %llu ms", rows[i / 2].name,
				 (unsigned long long)(lab_now_ms() - began));
		assert_int_equal(lab.readies, 1);
		lab_close(&lab);
	}
}

static int connect_to(bool is_v6, int timeout_ms)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
				 .sin_port = htons(LAB_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(LAB_PORT),
				  .sin6_addr = in6addr_loopback};
	int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = timeout_ms / 1000};

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!(is_v6 ? connect(fd, (void *)&v6, sizeof(v6)) : connect(fd, (void *)&v4, sizeof(v4))))
		return fd;
	close(fd);
	return -errno;
}

/* Answers each connection, on every listener, with its pid and what it was told. */
#define SERVER                                                                                     \
	"python3 -c \"import os,socket,select\nn=int(os.environ['LISTEN_FDS'])\n"                  \
	"assert int(os.environ['LISTEN_PID'])==os.getpid()\n"                                      \
	"ls=[socket.socket(fileno=3+i) for i in range(n)]\nprint('up',flush=True)\n"               \
	"while True:\n for l in select.select(ls,[],[])[0]:\n  c=l.accept()[0];"                   \
	"c.sendall(('%d %d %s;' % (os.getpid(),n,os.environ['LISTEN_FDNAMES'])).encode());"        \
	"c.close()\n\""

static pid_t ask(int fd)
{
	char text[64] = "";
	size_t used = 0;

	while (!strchr(text, ';')) {
		ssize_t n = recv(fd, text + used, sizeof(text) - 1 - used, 0);

		assert_true(n > 0);
		used += n;
		text[used] = 0;
	}
	close(fd);
	return atoi(text);
}

struct listening {
	const char *name;
	bool is_v6, any, dual;
	bool v4_answers, v6_answers;
	bool same; /* one socket for both */
};

static const struct listening listenings[] = {
	{.name = "127.0.0.1", .v4_answers = true},
	{.name = "127.0.0.1 dual", .dual = true, .v4_answers = true, .v6_answers = true},
	{.name = "0.0.0.0 dual", .any = true, .dual = true, .v4_answers = true, .v6_answers = true},
	{.name = "::1", .is_v6 = true, .v6_answers = true},
	{.name = ":: dual",
	 .is_v6 = true,
	 .any = true,
	 .dual = true,
	 .v4_answers = true,
	 .v6_answers = true,
	 .same = true},
	{.name = "::", .is_v6 = true, .any = true, .v6_answers = true},
};

static void test_listening(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(listenings) / sizeof(*listenings); i++) {
		const struct listening *row = &listenings[i];
		struct lab lab;

		lab_open(&lab, IN_BOTH(lab, i));
		memset(&lab.conf.addr, 0, sizeof(lab.conf.addr));
		if (!row->is_v6) {
			lab.conf.addr = lab_conf(&lab).addr;
			memset(lab.conf.addr.bytes + 12, 0, row->any ? 4 : 0);
		} else if (!row->any) {
			lab.conf.addr.bytes[15] = 1;
		}
		lab.conf.inherit = true;
		lab.conf.dual_stack = row->dual;
		lab.conf.command = (char *)SERVER;
		lab_spawn(&lab);
		for (int is_v6 = 0; is_v6 < 2; is_v6++) {
			bool answers = is_v6 ? row->v6_answers : row->v4_answers;
			int fd = connect_to(is_v6, lab_timeout_ms());

			if ((fd >= 0) != answers ||
			    (worker_listener(lab.worker, is_v6) >= 0) != answers)
				fail_msg("%s: IPv%d: %d", row->name, is_v6 ? 6 : 4, fd);
			if (fd >= 0)
				assert_int_equal(ask(fd), worker_pid(lab.worker));
		}
		assert_int_equal(worker_listener(lab.worker, false) ==
					 worker_listener(lab.worker, true),
				 row->same);
		lab_close(&lab);
		assert_int_equal(connect_to(false, 1000), -ECONNREFUSED);
	}
}

/* What waits in the accept queue outlives the worker, and an lbd. */
static void test_queue_survives(void **state)
{
	struct lab lab;
	pid_t pid;
	int fd;

	(void)state;
	lab_open(&lab, true);
	lab.conf.inherit = true;
	lab.conf.command = (char *)"sleep 60"; /* never accepts */
	worker_free(lab.worker);
	AS_EARLIER_LBD(&lab, {
		lab_new_worker(&lab);
		lab_spawn(&lab);
	});
	fd = connect_to(false, lab_timeout_ms());
	assert_true(fd >= 0);
	assert_int_equal(lab_new_worker(&lab), 0);
	assert_true(worker_listener(lab.worker, false) >= 0);
	worker_kill(lab.worker);
	lab_await(&lab, lab.exits, 1);
	lab.conf.command = (char *)SERVER;
	lab_spawn(&lab);
	pid = worker_pid(lab.worker);
	assert_int_equal(ask(fd), pid);
	lab_close(&lab);
}

static void test_address_in_use(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons(LAB_PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct lab lab;

	(void)state;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	lab_open(&lab, true);
	lab.conf.inherit = true;
	assert_int_equal(worker_spawn(lab.worker, &lab.error), -EADDRINUSE);
	assert_non_null(strstr(lab.error.text, "listen 127.0.0.1:18081"));
	close(fd);
	lab_spawn(&lab);
	lab_close(&lab);
}

/* An argument names one test, with * and ?. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endings),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_stopping),
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_start_time),
		cmocka_unit_test(test_start_time_in_a_namespace),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_buried),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_sweep),
		cmocka_unit_test(test_notify),
		cmocka_unit_test(test_notify_senders),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_listening),
		cmocka_unit_test(test_queue_survives),
		cmocka_unit_test(test_address_in_use),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	/* Its port is not another run's; without the right to, they share one. */
	if (!unshare(CLONE_NEWNET) && system("ip link set lo up"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker's output ends up: rotated, prefixed, whole, and complete whatever happens to lbd. */
#include "unit/worker_lab.h"

#include <fcntl.h>
#include <regex.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/tail.h"

static char *read_file(const char *path, size_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	text = malloc(st.st_size + 1);
	assert_non_null(text);
	assert_int_equal(read(fd, text, st.st_size), st.st_size);
	text[st.st_size] = 0;
	*bytes = st.st_size;
	close(fd);
	return text;
}

static void log_name(const struct lab *lab, unsigned n, char path[128])
{
	if (n)
		snprintf(path, 128, "%s/lab:18081.log.%u", lab->dir, n);
	else
		snprintf(path, 128, "%s/lab:18081.log", lab->dir);
}

/* All files of the log, the oldest first, one after the other; *count of them, the largest one. */
static char *read_all(const struct lab *lab, unsigned *count, size_t *largest)
{
	char path[128], *all = strdup("");
	size_t used = 0, bytes;

	*count = 0;
	*largest = 0;
	for (unsigned n = 1000; n-- > 0;) {
		char *text, *grown;

		log_name(lab, n, path);
		text = read_file(path, &bytes);
		if (!text)
			continue;
		++*count;
		if (bytes > *largest)
			*largest = bytes;
		/* Each file holds whole lines. */
		assert_true(!bytes || text[bytes - 1] == '\n');
		grown = realloc(all, used + bytes + 1);
		assert_non_null(grown);
		all = grown;
		memcpy(all + used, text, bytes + 1);
		used += bytes;
		free(text);
	}
	return all;
}

struct rotated {
	const char *name;
	int last; /* the worker prints 1 ... last */
	uint64_t max_bytes;
	unsigned max_files;
	bool complete;
	unsigned files;
	size_t largest; /* at most */
};

static const struct rotated rotated[] = {
	{.name = "no rotation", .last = 1000, .complete = true, .files = 1, .largest = 3893},
	{.name = "room enough",
	 .last = 1000,
	 .max_bytes = 10000,
	 .max_files = 3,
	 .complete = true,
	 .files = 1,
	 .largest = 3893},
	{.name = "some files",
	 .last = 1000,
	 .max_bytes = 1000,
	 .max_files = 9,
	 .complete = true,
	 .files = 4,
	 .largest = 1000},
	{.name = "oldest dropped",
	 .last = 1000,
	 .max_bytes = 1000,
	 .max_files = 2,
	 .files = 3,
	 .largest = 1000},
	{.name = "none kept",
	 .last = 1000,
	 .max_bytes = 1000,
	 .max_files = 0,
	 .files = 1,
	 .largest = 1000},
	{.name = "files of one line",
	 .last = 100,
	 .max_bytes = 1,
	 .max_files = 200,
	 .complete = true,
	 .files = 100,
	 .largest = 4},
	{.name = "much",
	 .last = 300000,
	 .max_bytes = 100000,
	 .max_files = 50,
	 .complete = true,
	 .files = 20,
	 .largest = 100000},
};

/* Lines 1 ... last, or the end of that; returns the first number. */
static int check_sequence(const char *name, const char *text, int last)
{
	int first = atoi(text), n = first;

	for (const char *line = text; *line; n++) {
		char *end;

		if (strtol(line, &end, 10) != n || *end != '\n')
			fail_msg("%s: \"%.20s\" where %d should be", name, line, n);
		line = end + 1;
	}
	if (n != last + 1)
		fail_msg("%s: ends with %d", name, n - 1);
	return first;
}

static void test_rotated(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rotated) / sizeof(*rotated); i++) {
		const struct rotated *row = &rotated[i];
		char command[64], *all;
		struct lab lab;
		unsigned files;
		size_t largest;

		lab_open(&lab, i % 2);
		snprintf(command, sizeof(command), "seq %d", row->last);
		lab.conf.command = command;
		lab.conf.stdout_log.max_bytes = row->max_bytes;
		lab.conf.stdout_log.max_files = row->max_files;
		free(lab_output(&lab));
		all = read_all(&lab, &files, &largest);
		if (files < row->files || files > row->files + 1 || largest > row->largest)
			fail_msg("%s: %u files, up to %zu bytes", row->name, files, largest);
		if ((check_sequence(row->name, all, row->last) == 1) != row->complete)
			fail_msg("%s: begins with %d", row->name, atoi(all));
		free(all);
		lab_close(&lab);
	}
}

struct shaped {
	const char *name, *script;
	bool prefix, apart;
	const char *pattern, *err_pattern; /* of the whole log */
};

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3} "

static const struct shaped shaped[] = {
	{.name = "prefix",
	 .script = "echo one; echo; echo two",
	 .prefix = true,
	 .pattern = "^" STAMP "one\n" STAMP "\n" STAMP "two\n$"},
	{.name = "prefix, bit by bit",
	 .script = "printf o; sleep 0.05; printf n; sleep 0.05; echo e",
	 .prefix = true,
	 .pattern = "^" STAMP "one\n$"},
	{.name = "unfinished last line",
	 .script = "echo one; printf two",
	 .prefix = true,
	 .pattern = "^" STAMP "one\n" STAMP "two\n$"},
	{.name = "apart",
	 .script = "echo out; echo err >&2",
	 .apart = true,
	 .pattern = "^out\n$",
	 .err_pattern = "^err\n$"},
	{.name = "apart, prefix",
	 .script = "echo out; echo err >&2",
	 .prefix = true,
	 .apart = true,
	 .pattern = "^" STAMP "out\n$",
	 .err_pattern = "^" STAMP "err\n$"},
	{.name = "closes it and goes on",
	 .script = "echo out; exec >&- 2>&-; sleep 0.05; exit 0",
	 .prefix = true,
	 .pattern = "^" STAMP "out\n$"},
	{.name = "opens it again",
	 .script = "echo out >/dev/stdout; echo err >/dev/stderr",
	 .prefix = true,
	 .pattern = "^" STAMP "out\n" STAMP "err\n$"},
};

static void check_pattern(const char *name, const char *path, const char *pattern)
{
	size_t bytes = 0;
	char *text = read_file(path, &bytes);
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (!text || regexec(&regex, text, 0, NULL, 0))
		fail_msg("%s: \"%s\" is not %s", name, text ? text : "", pattern);
	regfree(&regex);
	free(text);
}

static void test_shaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shaped) / sizeof(*shaped); i++) {
		const struct shaped *row = &shaped[i];
		char command[256], path[128];
		struct lab lab;

		lab_open(&lab, i % 2);
		snprintf(command, sizeof(command), "sh -c '%s'", row->script);
		lab.conf.command = command;
		lab.conf.merge_stderr = !row->apart;
		lab.conf.stdout_log.prefix = lab.conf.stderr_log.prefix = row->prefix;
		free(lab_output(&lab));
		log_name(&lab, 0, path);
		check_pattern(row->name, path, row->pattern);
		snprintf(path, sizeof(path), "%s/lab:18081.err.log", lab.dir);
		if (row->err_pattern)
			check_pattern(row->name, path, row->err_pattern);
		lab_close(&lab);
	}
}

/* A line longer than lbd looks at in one turn comes through whole. */
static void test_long_line(void **state)
{
	unsigned files;
	size_t largest;
	struct lab lab;
	char *all;

	(void)state;
	lab_open(&lab, true);
	lab.conf.command = (char *)"sh -c 'head -c 3000000 /dev/zero | tr \"\\000\" x; echo'";
	lab.conf.stdout_log.max_bytes = 1 << 30;
	free(lab_output(&lab));
	all = read_all(&lab, &files, &largest);
	assert_int_equal(strspn(all, "x"), 3000000);
	assert_string_equal(all + 3000000, "\n");
	free(all);
	lab_close(&lab);
}

enum { ENDLESS_BYTES = 3000000, ENDLESS_MAX = 100000 };

/* A line that does not end: the files are as large as they may be, and hold all of it. */
static void test_endless_line(void **state)
{
	(void)state;
	for (int prefix = 0; prefix < 2; prefix++) {
		size_t bytes, sum = 0;
		char path[128], *text;
		struct lab lab;
		unsigned n = 0;

		lab_open(&lab, true);
		lab.conf.command =
			(char *)"sh -c 'echo a; head -c 3000000 /dev/zero | tr \"\\000\" x'";
		lab.conf.stdout_log.max_bytes = ENDLESS_MAX;
		lab.conf.stdout_log.max_files = 100;
		lab.conf.stdout_log.prefix = prefix;
		free(lab_output(&lab));
		for (; log_name(&lab, n, path), (text = read_file(path, &bytes)); n++) {
			if (bytes > ENDLESS_MAX + 100)
				fail_msg("prefix %d: %s has %zu bytes", prefix, path, bytes);
			for (const char *at = text; at && (at = strchr(at, 'x'));
			     at = strchr(at, '\n'))
				sum += strspn(at, "x");
			free(text);
		}
		assert_int_equal(sum, ENDLESS_BYTES);
		assert_in_range(n, ENDLESS_BYTES / ENDLESS_MAX, 60);
		lab_close(&lab);
	}
}

struct ticks {
	sd_event_source *source;
	uint64_t last_us, worst_us;
};

static int on_tick(sd_event_source *source, uint64_t at, void *arg)
{
	struct ticks *ticks = arg;
	uint64_t now;

	(void)at;
	sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now);
	if (ticks->last_us && now - ticks->last_us > ticks->worst_us)
		ticks->worst_us = now - ticks->last_us;
	ticks->last_us = now;
	sd_event_source_set_time_relative(source, 5000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static unsigned cpu_ms(void)
{
	struct rusage used;

	getrusage(RUSAGE_SELF, &used);
	return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

/* 256 MiB go through while the loop does its other work; less on an emulated processor. */
static void test_flood(void **state)
{
	const unsigned long long flood = (256ull << 20) / lab_time_scale();
	char path[128], command[160];
	struct ticks ticks = {0};
	uint64_t took;
	unsigned cpu;
	struct lab lab;
	struct stat st;

	(void)state;
	lab_open(&lab, true);
	assert_true(sd_event_add_time_relative(lab.event, &ticks.source, CLOCK_MONOTONIC, 0, 1,
					       on_tick, &ticks) >= 0);
	snprintf(command, sizeof(command),
		 "sh -c 'yes 012345678901234567890123456789012345678901234567890123456789"
		 " | head -c %llu'",
		 flood);
	lab.conf.command = command;
	lab.conf.stdout_log.max_bytes = 16 << 20;
	lab.conf.stdout_log.max_files = 1;
	took = lab_now_ms();
	cpu = cpu_ms();
	lab_spawn(&lab);
	lab_await(&lab, lab.exits, 1);
	took = lab_now_ms() - took;
	assert_int_equal(lab.last.code, 0);
	log_name(&lab, 1, path);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size <= 16 << 20 && st.st_size > (16 << 20) - 100);
	print_message("%llu MiB in %llu ms, %u ms of CPU here, the loop's longest turn %llu ms\n",
		      flood >> 20, (unsigned long long)took, cpu_ms() - cpu,
		      (unsigned long long)ticks.worst_us / 1000);
	sd_event_source_disable_unref(ticks.source);
	lab_close(&lab);
}

/* An lbd for a while, until it is killed in the midst of whatever it does. */
static void live_and_die(struct lab *lab, unsigned us)
{
	int alive[2], status;
	pid_t pid;
	char byte;

	assert_int_equal(pipe(alive), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		sd_event_unref(lab->event);
		sd_event_new(&lab->event);
		lab->host.event = lab->event;
		if (lab_new_worker(lab) || write(alive[1], "", 1) != 1)
			_exit(1);
		for (;;)
			sd_event_run(lab->event, 1000000);
	}
	assert_int_equal(read(alive[0], &byte, 1), 1);
	close(alive[0]);
	close(alive[1]);
	usleep(us);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

/* Each of 1 ... last is there; numbers may repeat after a death, but no line is torn. */
static void check_repeats(const char *text, int last)
{
	int seen = 0;

	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		int n = atoi(line + strcspn(line, " ") + 1);

		assert_non_null(strchr(line, '\n'));
		if (strcspn(line, " ") != 23 || n < 1 || n > seen + 1)
			fail_msg("\"%.40s\" after %d", line, seen);
		if (n > seen)
			seen = n;
	}
	assert_int_equal(seen, last);
}

static void test_deaths(void **state)
{
	int last =
		1500000 / lab_time_scale(); /* so many that some lbd dies while they are written */

	(void)state;
	for (int prefix = 0; prefix < 2; prefix++) {
		char command[64], end[16];
		unsigned files;
		size_t largest;
		struct lab lab;
		char *all;
		int lives;

		lab_open(&lab, true);
		snprintf(command, sizeof(command), "sh -c 'seq %d; sleep 60'", last);
		snprintf(end, sizeof(end), "%d\n", last);
		lab.conf.command = command;
		lab.conf.stdout_log.max_bytes = 1 << 20;
		lab.conf.stdout_log.max_files = 100;
		lab.conf.stdout_log.prefix = prefix;
		lab_spawn(&lab);
		worker_free(lab.worker);
		for (lives = 0; lives < 60; lives++)
			live_and_die(&lab, random() % 2000);
		assert_int_equal(lab_new_worker(&lab), 0);
		assert_true(worker_pid(lab.worker) > 0);
		lab_await_output(&lab, end);
		assert_int_equal(worker_kill(lab.worker), 0);
		lab_await(&lab, lab.exits, 1);
		all = read_all(&lab, &files, &largest);
		if (prefix)
			check_repeats(all, last);
		else
			assert_int_equal(check_sequence("deaths", all, last), 1);
		free(all);
		lab_close(&lab);
	}
}

/* Somebody else moves the file away: the next line makes a new one. */
static void test_moved(void **state)
{
	char path[128], away[128];
	struct lab lab;

	(void)state;
	lab_open(&lab, true);
	lab.conf.command =
		(char *)"sh -c 'trap \"echo two\" USR1; echo one; while :; do sleep 0.01; done'";
	lab.conf.stdout_log.prefix = true;
	lab_spawn(&lab);
	lab_await_output(&lab, "one");
	log_name(&lab, 0, path);
	snprintf(away, sizeof(away), "%s/away", lab.dir);
	assert_int_equal(rename(path, away), 0);
	assert_int_equal(worker_signal(lab.worker, SIGUSR1), 0);
	lab_await_output(&lab, "two");
	check_pattern("moved", away, "^" STAMP "one\n$");
	check_pattern("new", path, "^" STAMP "two\n$");
	lab_close(&lab);
}

static void test_age(void **state)
{
	char old[128];
	struct lab lab;
	uint64_t end = lab_now_ms() + lab_timeout_ms();

	(void)state;
	lab_open(&lab, true);
	lab.conf.command = (char *)"sh -c 'while :; do echo tick; sleep 0.05; done'";
	lab.conf.stdout_log.max_age_s = 1;
	lab.conf.stdout_log.max_files = 2;
	log_name(&lab, 1, old);
	lab_spawn(&lab);
	while (access(old, F_OK)) {
		assert_true(lab_now_ms() < end);
		assert_true(sd_event_run(lab.event, 10000) >= 0);
	}
	lab_close(&lab);
}

/* A plain file needs nobody between. */
static void test_direct(void **state)
{
	char path[128], link[256] = "", wanted[128];
	struct lab lab;

	(void)state;
	lab_open(&lab, true);
	lab_spawn(&lab);
	lab_await(&lab, worker_runs(lab.worker), 1);
	snprintf(path, sizeof(path), "/proc/%d/fd/1", worker_pid(lab.worker));
	assert_true(readlink(path, link, sizeof(link) - 1) > 0);
	log_name(&lab, 0, wanted);
	assert_string_equal(link, wanted);
	snprintf(path, sizeof(path), "%s/output/lab:18081.out", lab.dir);
	assert_int_equal(access(path, F_OK), -1);
	lab_close(&lab);
}

static void test_none(void **state)
{
	char path[128];
	struct lab lab;

	(void)state;
	lab_open(&lab, true);
	lab.conf.command = (char *)"echo nobody hears it";
	lab.conf.stdout_log.kind = OUTPUT_NONE;
	lab_spawn(&lab);
	lab_await(&lab, lab.exits, 1);
	log_name(&lab, 0, path);
	assert_int_equal(access(path, F_OK), -1);
	lab_close(&lab);
}

static unsigned count_of(const char *path, const char *needle)
{
	size_t bytes;
	char *text = read_file(path, &bytes);
	unsigned count = 0;

	for (char *at = text; at && (at = strstr(at, needle)); at++)
		count++;
	free(text);
	return count;
}

/* Mounts of these tests are seen by nobody else. */
static bool own_mounts(void)
{
	static int done = -1;

	if (done < 0)
		done = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return done;
}

static bool last_has(struct lab *lab, const char *text)
{
	char *output = worker_last_output(lab->worker, 50, &(size_t){0});
	bool has = output && strstr(output, text);

	free(output);
	return has;
}

/* Has the worker write once more, up to the line in `side` with which it ends, and lbd read that. */
static void write_once(struct lab *lab, const char *side)
{
	unsigned before = count_of(side, "done");

	worker_signal(lab->worker, SIGUSR1);
	while (count_of(side, "done") == before)
		assert_true(sd_event_run(lab->event, 10000) >= 0);
	while (sd_event_run(lab->event, 0) > 0)
		;
}

static void fill(const char *path)
{
	static const char zeros[65536];
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, zeros, sizeof(zeros)) > 0)
		;
	close(fd);
}

/* Room comes and goes: its end is told as often as its beginning, once in a while. */
static void test_often_full_disk(void **state)
{
	char disk[128], own_log[128], path[256], filler[256], side[256];
	struct lab lab;

	(void)state;
	if (!own_mounts())
		skip();
	lab_open(&lab, true);
	snprintf(disk, sizeof(disk), "%s/disk", lab.dir);
	snprintf(own_log, sizeof(own_log), "%s/own", lab.dir);
	snprintf(side, sizeof(side), "%s/side", lab.dir);
	snprintf(path, sizeof(path), "%s/log", disk);
	snprintf(filler, sizeof(filler), "%s/filler", disk);
	mkdir(disk, 0755);
	fclose(fopen(side, "w"));
	assert_int_equal(mount("none", disk, "tmpfs", 0, "size=1m"), 0);
	assert_int_equal(log_open(own_log, 0, 0, &lab.error), 0);
	assert_true(asprintf(&lab.conf.command,
			     "sh -c 'trap \"seq 3000; echo done >>%s\" USR1; "
			     "echo up; while :; do sleep 0.01; done'",
			     side) > 0);
	lab.conf.stdout_log.path = path;
	lab.conf.stdout_log.max_bytes = 1 << 30;
	lab_spawn(&lab);
	lab_await_output(&lab, "up\n");
	for (int i = 0; i < 4; i++) {
		fill(filler);
		write_once(&lab, side);
		assert_false(last_has(&lab, "3000\n"));
		unlink(filler);
		write_once(&lab, side);
		assert_true(last_has(&lab, "3000\n"));
		assert_int_equal(truncate(path, 0), 0);
	}
	assert_int_equal(count_of(own_log, "No space left on device"), 1);
	assert_int_equal(count_of(own_log, "written again"), 1);
	log_open(NULL, 0, 0, &lab.error);
	worker_kill(lab.worker);
	lab_await(&lab, lab.exits, 1);
	free(lab.conf.command);
	assert_int_equal(umount2(disk, MNT_DETACH), 0);
	lab_close(&lab);
}

/* Full but for the lines that go in at once, 256 of 30 bytes, and did not. */
static void assert_filled(const char *path)
{
	size_t bytes;
	char *text = read_file(path, &bytes);

	assert_non_null(text);
	if (bytes <= 65536 - 256 * 40 || text[bytes - 1] != '\n')
		fail_msg("%zu bytes, ending in \"%s\"", bytes,
			 text + bytes - (bytes < 40 ? bytes : 40));
	free(text);
}

/* The worker runs on; it is said once; with room again the log goes on with whole lines. */
static void test_full_disk(void **state)
{
	char disk[128], own_log[128], path[256];
	struct lab lab;

	(void)state;
	if (!own_mounts())
		skip();
	for (int prefix = 0; prefix < 2; prefix++) {
		lab_open(&lab, true);
		snprintf(disk, sizeof(disk), "%s/disk", lab.dir);
		snprintf(own_log, sizeof(own_log), "%s/own", lab.dir);
		snprintf(path, sizeof(path), "%s/log", disk);
		mkdir(disk, 0755);
		assert_int_equal(mount("none", disk, "tmpfs", 0, "size=65536"), 0);
		assert_int_equal(log_open(own_log, 0, 0, &lab.error), 0);
		lab.conf.command = (char *)"sh -c 'trap \"echo again\" USR1; seq 500000; while :; "
					   "do sleep 0.01; done'";
		lab.conf.stdout_log.path = path;
		lab.conf.stdout_log.max_bytes = 1 << 30;
		lab.conf.stdout_log.prefix = prefix;
		lab_spawn(&lab);
		while (!count_of(own_log, "No space left on device"))
			assert_true(sd_event_run(lab.event, 10000) >= 0);
		/* Its 3 MB are more than the FIFO holds: it comes this far only if they are taken. */
		worker_signal(lab.worker, SIGUSR1);
		for (int i = 0; i < 50; i++)
			assert_true(sd_event_run(lab.event, 10000) >= 0);
		assert_int_equal(count_of(own_log, "No space left on device"), 1);
		assert_int_equal(mount("none", disk, "tmpfs", MS_REMOUNT, "size=67108864"), 0);
		/* A line that was short enough may have gone in before. */
		while (!last_has(&lab, "again\n")) {
			worker_signal(lab.worker, SIGUSR1);
			assert_true(sd_event_run(lab.event, 10000) >= 0);
		}
		assert_int_equal(count_of(own_log, "written again"), 1);
		assert_filled(path);
		log_open(NULL, 0, 0, &lab.error);
		worker_kill(lab.worker);
		lab_await(&lab, lab.exits, 1);
		assert_int_equal(umount2(disk, MNT_DETACH), 0);
		lab_close(&lab);
	}
}

struct scarce {
	const char *name;
	const char *before; /* what the worker does before there is no descriptor left */
	int first;          /* of its lines afterwards */
	uint64_t max_bytes;
};

enum { SCARCE_LAST = 1000, SPARE_MAX = 4 };

static const struct scarce scarce[] = {
	{"at the first line", "", 1, 1 << 30},
	{"at a rotation", "echo 1;", 2, 1000},
};

/* Leaves so many that can still be had; returns the limit before. */
static struct rlimit take_descriptors(int spare)
{
	struct rlimit before, none;
	int lowest_free = dup(STDIN_FILENO);

	assert_true(lowest_free >= 0);
	close(lowest_free);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = lowest_free + spare;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return before;
}

/* Whether it has grown, or there is a word of what holds it up; without a descriptor. */
static bool has_effect(const char *path, off_t size, int own_log)
{
	struct stat st;

	return (!stat(path, &st) && st.st_size != size) || (!fstat(own_log, &st) && st.st_size);
}

/* It lives until the file `ready` is removed. */
static void start_scarce(struct lab *lab, const struct scarce *row, char *command,
			 const char *ready)
{
	sprintf(command,
		"sh -c 'go=; trap go=1 USR1; %s : >%s; while [ -z \"$go\" ]; do sleep 0.01; done; "
		"seq %d %d; while [ -e %s ]; do sleep 0.01; done'",
		row->before, ready, row->first, SCARCE_LAST, ready);
	lab->conf.command = command;
	lab->conf.stdout_log.max_bytes = row->max_bytes;
	lab->conf.stdout_log.max_files = 100;
	lab_spawn(lab);
	while (access(ready, F_OK))
		assert_true(sd_event_run(lab->event, 10000) >= 0);
	if (row->first > 1)
		lab_await_output(lab, "1\n");
}

static void check_scarce(const struct scarce *row, int spare)
{
	char command[512], ready[128], own_log[128], path[128], *all;
	struct rlimit before;
	struct stat st = {0};
	struct lab lab;
	unsigned files;
	size_t largest;
	int own;

	lab_open(&lab, true);
	snprintf(ready, sizeof(ready), "%s/ready", lab.dir);
	start_scarce(&lab, row, command, ready);
	snprintf(own_log, sizeof(own_log), "%s/own", lab.dir);
	assert_int_equal(log_open(own_log, 0, 0, &lab.error), 0);
	own = open(own_log, O_RDONLY | O_CLOEXEC);
	assert_true(own >= 0);
	log_name(&lab, 0, path);
	stat(path, &st);
	before = take_descriptors(spare);
	worker_signal(lab.worker, SIGUSR1);
	while (!has_effect(path, st.st_size, own))
		assert_true(sd_event_run(lab.event, 10000) >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(unlink(ready), 0);
	lab_await(&lab, lab.exits, 1);
	if (!spare && !count_of(own_log, "Too many open files"))
		fail_msg("%s: there were descriptors", row->name);
	log_open(NULL, 0, 0, &lab.error);
	close(own);
	all = read_all(&lab, &files, &largest);
	assert_int_equal(check_sequence(row->name, all, SCARCE_LAST), 1);
	free(all);
	lab_close(&lab);
}

/* What cannot be written for want of a descriptor waits. */
static void test_no_descriptor(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scarce) / sizeof(*scarce); i++)
		for (int spare = 0; spare < SPARE_MAX; spare++)
			check_scarce(&scarce[i], spare);
}

static int fake_dev_log(const struct lab *lab)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = lab_timeout_ms() / 1000};
	char path[128];

	snprintf(path, sizeof(path), "%s/dev", lab->dir);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mount("none", path, "tmpfs", 0, "mode=755"), 0);
	snprintf(path, sizeof(path), "%s/dev/null", lab->dir);
	assert_int_equal(mknod(path, S_IFCHR | 0666, makedev(1, 3)), 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/dev/log", lab->dir);
	assert_int_equal(bind(fd, (void *)&sa, sizeof(sa)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	snprintf(path, sizeof(path), "%s/dev", lab->dir);
	assert_int_equal(mount(path, "/dev", NULL, MS_MOVE, NULL), 0);
	return fd;
}

static void test_syslog(void **state)
{
	static const struct {
		const char *head, *line;
	} wanted[] = {{"<30>", " lbd/lab.18081: one"}, {"<30>", " lbd/lab.18081: two"}};
	char text[512];
	struct lab lab;
	ssize_t n;
	int fd;

	(void)state;
	if (!own_mounts())
		skip();
	lab_open(&lab, true);
	fd = fake_dev_log(&lab);
	lab.conf.command = (char *)"sh -c 'echo one; echo; printf two'";
	lab.conf.stdout_log.kind = OUTPUT_SYSLOG;
	lab_spawn(&lab);
	lab_await(&lab, lab.exits, 1);
	for (int i = 0; i < 2; i++) {
		n = recv(fd, text, sizeof(text) - 1, 0);
		assert_true(n > 0);
		text[n] = 0;
		if (strncmp(text, wanted[i].head, 4) || !strstr(text, wanted[i].line) ||
		    strchr(text, '\n'))
			fail_msg("\"%s\"", text);
	}
	close(fd);
	/* With nobody there the worker runs all the same. */
	lab.conf.command = (char *)"seq 300000";
	lab_spawn(&lab);
	lab_await(&lab, lab.exits, 2);
	assert_int_equal(lab.last.code, 0);
	assert_int_equal(umount2("/dev", MNT_DETACH), 0);
	lab_close(&lab);
}

/* An argument names one test, with * and ?. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotated),       cmocka_unit_test(test_shaped),
		cmocka_unit_test(test_long_line),     cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_flood),         cmocka_unit_test(test_deaths),
		cmocka_unit_test(test_moved),         cmocka_unit_test(test_age),
		cmocka_unit_test(test_direct),        cmocka_unit_test(test_none),
		cmocka_unit_test(test_full_disk),     cmocka_unit_test(test_often_full_disk),
		cmocka_unit_test(test_no_descriptor), cmocka_unit_test(test_syslog),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

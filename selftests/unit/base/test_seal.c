// SPDX-License-Identifier: Apache-2.0
/* Records of the run directory: whichever byte of one is altered, it is told and not followed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/seal.h"
#include "conf/running.h"
#include "leave/record.h"
#include "output/target.h"
#include "remember/file.h"
#include "worker/record.h"

static char run_dir[] = "/tmp/lbd-seal-XXXXXX";

static const char *in_run_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", run_dir, name);
	return path;
}

static int read_running(void)
{
	struct running running = {0};
	struct conf *conf = NULL;
	struct error error;
	int err = running_read(run_dir, "/etc/lbd/lbd.conf", &running, &conf, &error);

	running_forget(&running);
	conf_free(conf);
	return err;
}

static int read_states(void)
{
	struct remembered *list;
	struct error error;
	uint64_t written_us;
	int err = remember_file_read(run_dir, &list, &written_us, &error);

	remember_file_free(list);
	return err;
}

static int read_worker(void)
{
	struct record record;

	return record_read(run_dir, NULL, "web:8081", &record);
}

static unsigned leaving;

static void count_leaving(struct model *model, const struct leave_record *record)
{
	(void)model, (void)record;
	leaving++;
}

static int read_leaving(void)
{
	struct worker_host host = {.run_dir = run_dir};
	struct model *model = calloc(1, sizeof(*model));

	assert_non_null(model);
	model->host = &host;
	leaving = 0;
	leave_record_each(model, count_leaving);
	free(model);
	return leaving == 1 ? 0 : -EINVAL;
}

static int read_output(void)
{
	char *text;
	int fd = output_target_open(in_run_dir("output/web:8081.out"), &text);

	assert_true(fd >= 0); /* whatever is written about it, it is read */
	close(fd);
	free(text);
	return text ? 0 : -EINVAL;
}

static const struct kind {
	const char *path, *text;
	int (*read)(void);
} kinds[] = {
	{"running.conf",
	 "# lbd-running 4\n# written at 12 us; rolls: web \n"
	 "pool web { worker { command \"serve --port=$port\"; ports 8081; } }\n"
	 "service web { listen 0.0.0.0:80; pool web; }\n",
	 read_running},
	{"states",
	 "lbd-states 3 12\nweb:8081 state=up goal=run turn=none failures=0 restarts=1 good=2 bad=0 "
	 "retry_us=0 drain_us=0 since_us=7\n",
	 read_states},
	{"workers/web:8081",
	 "lbd-worker 3\npid 4711\nstart 12\nboot 0-1-2\nready 1\nunheard 0\nsettings 5\nfiles 6\n"
	 "cgroup /x\n",
	 read_worker},
	{"leaving/3",
	 "# lbd-leaving 2 3 1 99 1 127.0.0.1:8081\n"
	 "pool web { worker { command serve; ports 8081; } }\n",
	 read_leaving},
	{"output/web:8081.out.to",
	 "lbd-output 2\nkind 1\nsize 1\nfiles 2\nage 0\nprefix 0\nerr 0\nuser 0\nname web:8081\n"
	 "path /var/log/x\n",
	 read_output},
};

static void print(FILE *file, const void *text)
{
	fputs(text, file);
}

static void write_bytes(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void alter(const struct kind *kind, const char *path, char *bytes, size_t length, size_t at)
{
	static const unsigned char masks[] = {0x01, 0x20, 0x80, 0xff};
	const char before = bytes[at];

	for (size_t i = 0; i <= sizeof(masks); i++) {
		bytes[at] = i < sizeof(masks) ? (char)(before ^ masks[i]) : '\0';
		write_bytes(path, bytes, length);
		if (!kind->read())
			fail_msg("%s: byte %zu is 0x%02x and was 0x%02x: not told", kind->path, at,
				 (unsigned char)bytes[at], (unsigned char)before);
	}
	bytes[at] = before;
}

static void test_every_byte(void **state)
{
	const struct kind *kind = *state;
	const char *path = in_run_dir(kind->path);
	char name[256];
	size_t length;
	char *bytes = seal_text(print, kind->text, &length);

	snprintf(name, sizeof(name), "%s", path);
	assert_non_null(bytes);
	write_bytes(name, bytes, length);
	assert_int_equal(kind->read(), 0);
	for (size_t at = 0; at < length; at++)
		alter(kind, name, bytes, length, at);
	free(bytes);
}

static void test_every_length(void **state)
{
	const struct kind *kind = *state;
	char name[256];
	size_t length;
	char *bytes = seal_text(print, kind->text, &length);

	snprintf(name, sizeof(name), "%s", in_run_dir(kind->path));
	assert_non_null(bytes);
	for (size_t cut = 0; cut < length; cut++) {
		write_bytes(name, bytes, cut);
		if (!kind->read())
			fail_msg("%s: cut after %zu bytes: not told", kind->path, cut);
	}
	free(bytes);
}

/* Of versions that had no seal: workers that were started by them run on. */
static void test_before_there_were_seals(void **state)
{
	static const char worker[] = "lbd-worker 2\npid 4711\nstart 12\nboot 0-1-2\ncgroup \nend\n";
	static const char states[] = "lbd-states 2 12\nweb:8081 state=up goal=run\nend 1\n";
	static const char leaves[] = "# lbd-leaving 1 3 1 99 1 127.0.0.1:8081\n"
				     "pool web { worker { command serve; ports 8081; } }\n";

	(void)state;
	write_bytes(in_run_dir("workers/web:8081"), worker, sizeof(worker) - 1);
	assert_int_equal(read_worker(), 0);
	write_bytes(in_run_dir("workers/web:8081"), worker, sizeof(worker) - 5);
	assert_int_equal(read_worker(), -EINVAL);
	write_bytes(in_run_dir("states"), states, sizeof(states) - 1);
	assert_int_equal(read_states(), 0);
	write_bytes(in_run_dir("states"), states, sizeof(states) - 7);
	assert_int_equal(read_states(), -EBADMSG);
	write_bytes(in_run_dir("leaving/3"), leaves, sizeof(leaves) - 1);
	assert_int_equal(read_leaving(), 0);
}

static void test_of_a_newer_one(void **state)
{
	static const char *const texts[][2] = {{"workers/web:8081", "lbd-worker 4\nwho knows\n"},
					       {"states", "lbd-states 4 12 what\n"}};
	struct error error;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(seal_publish(in_run_dir(texts[i][0]), print, texts[i][1], &error),
				 0);
	assert_int_equal(read_worker(), -EPROTO);
	assert_int_equal(read_states(), -EPROTO);
}

static int make(void **state)
{
	static const char *const below[] = {"workers", "leaving", "output"};

	(void)state;
	if (!mkdtemp(run_dir))
		return -1;
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++)
		if (mkdir(in_run_dir(below[i]), 0711))
			return -1;
	return mkfifo(in_run_dir("output/web:8081.out"), 0600);
}

static int remove_all(void **state)
{
	static const char *const below[] = {"output/web:8081.out", "workers", "leaving", "output"};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		unlink(in_run_dir(kinds[i].path));
	for (size_t i = 0; i < sizeof(below) / sizeof(*below); i++)
		remove(in_run_dir(below[i]));
	return rmdir(run_dir);
}

#define ROWS(test)                                                                                 \
	{#test " running.conf", test, NULL, NULL, (void *)&kinds[0]},                              \
		{#test " states", test, NULL, NULL, (void *)&kinds[1]},                            \
		{#test " workers", test, NULL, NULL, (void *)&kinds[2]},                           \
		{#test " leaving", test, NULL, NULL, (void *)&kinds[3]},                           \
	{                                                                                          \
#test " output", test, NULL, NULL, (void *)&kinds[4]                               \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROWS(test_every_byte),
		ROWS(test_every_length),
		cmocka_unit_test(test_before_there_were_seals),
		cmocka_unit_test(test_of_a_newer_one),
	};

	return cmocka_run_group_tests(tests, make, remove_all);
}

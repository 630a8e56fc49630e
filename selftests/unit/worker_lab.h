/* SPDX-License-Identifier: Apache-2.0 */
/* A place for tests with real processes: a run directory, an event loop, one worker. */
#ifndef SELFTESTS_WORKER_LAB_H
#define SELFTESTS_WORKER_LAB_H

#include <arpa/inet.h>
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cgroup/cgroup.h"
#include "host/spawn/reaper.h"
#include "worker/worker.h"

enum { LAB_PORT = 18081 };

struct lab {
	sd_event *event;
	char dir[64];
	char *cgroup;
	struct worker_host host;
	struct conf_worker conf;
	struct worker *worker;
	struct error error;
	int exits, readies, stoppings, hungs, unheards, heards; /* callbacks so far */
	struct worker_exit last;
};

static inline void lab_on_exit(void *arg, const struct worker_exit *end)
{
	struct lab *lab = arg;

	lab->last = *end;
	lab->exits++;
}

static inline void lab_on_ready(void *arg)
{
	((struct lab *)arg)->readies++;
}

static inline void lab_on_stopping(void *arg)
{
	((struct lab *)arg)->stoppings++;
}

static inline bool lab_on_hung(void *arg)
{
	((struct lab *)arg)->hungs++;
	return true;
}

static inline void lab_on_unheard(void *arg)
{
	((struct lab *)arg)->unheards++;
}

static inline void lab_on_heard(void *arg)
{
	((struct lab *)arg)->heards++;
}

static inline struct conf_worker lab_conf(const struct lab *lab)
{
	static char *none[] = {NULL};

	return (struct conf_worker){
		.command = (char *)"sleep 60",
		.first_port = LAB_PORT,
		.count = 1,
		.addr = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}},
		.umask = -1,
		.environment = none,
		.environment_files = none,
		.exit_codes = {1},
		.start_timeout_ms = 60000,
		.stop_signal = SIGTERM,
		.stop_timeout_ms = 60000,
		.merge_stderr = true,
		.log_directory = lab->dir,
		.limits = {CONF_UNSET, CONF_UNSET, CONF_UNSET, CONF_UNSET, 0, CONF_NICE_UNSET},
	};
}

static inline void lab_on_listeners(void *arg)
{
	(void)arg;
}

static inline int lab_new_worker(struct lab *lab)
{
	static const struct worker_ops ops = {.ready = lab_on_ready,
					      .stopping = lab_on_stopping,
					      .hung = lab_on_hung,
					      .unheard = lab_on_unheard,
					      .heard = lab_on_heard,
					      .relistened = lab_on_listeners,
					      .unlistened = lab_on_listeners,
					      .exited = lab_on_exit};

	int err = worker_new(&lab->host, &lab->conf, "lab", LAB_PORT, 0, &ops, lab, &lab->worker,
			     &lab->error);

	if (!err && (err = worker_take_back(lab->worker, &lab->error))) {
		worker_free(lab->worker);
		lab->worker = NULL;
	}
	return err;
}

/* cgroup: one is used if the machine lets us. */
static inline void lab_open(struct lab *lab, bool cgroup)
{
	char instance[32];
	struct error ignored;

	memset(lab, 0, sizeof(*lab));
	strcpy(lab->dir, "/tmp/lbd-unit-XXXXXX");
	assert_non_null(mkdtemp(lab->dir));
	assert_int_equal(chmod(lab->dir, 0755), 0);
	assert_true(sd_event_new(&lab->event) >= 0);
	snprintf(instance, sizeof(instance), "unit-%d", getpid());
	if (cgroup)
		cgroup_find(instance, &lab->cgroup, &ignored);
	lab->host = (struct worker_host){.event = lab->event,
					 .run_dir = lab->dir,
					 .cgroup = lab->cgroup};
	lab->conf = lab_conf(lab);
	assert_int_equal(lab_new_worker(lab), 0);
}

static inline int lab_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static inline uint64_t lab_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* How many times as long as usual everything takes, on an emulated processor. */
static inline unsigned lab_time_scale(void)
{
	const char *scale = getenv("LBD_TIME_SCALE");

	return scale ? (unsigned)atoi(scale) : 1;
}

/* What an event may take. */
static inline unsigned lab_timeout_ms(void)
{
	return 30000 * lab_time_scale();
}

/* Runs the loop until *counter is at least wanted; fails the test when that takes too long. */
#define lab_await(lab, counter, wanted)                                                            \
	do {                                                                                       \
		uint64_t end_ = lab_now_ms() + lab_timeout_ms();                                   \
		while ((counter) < (wanted)) {                                                     \
			assert_true(lab_now_ms() < end_);                                          \
			assert_true(sd_event_run((lab)->event, 100000) >= 0);                      \
		}                                                                                  \
	} while (0)

/* Runs the loop until the worker's log holds text. */
#define lab_await_output(lab, text)                                                                \
	do {                                                                                       \
		uint64_t end_ = lab_now_ms() + lab_timeout_ms();                                   \
		char *output_ = NULL;                                                              \
		while (!output_ || !strstr(output_, text)) {                                       \
			assert_true(lab_now_ms() < end_);                                          \
			assert_true(sd_event_run((lab)->event, 2000) >= 0);                        \
			free(output_);                                                             \
			output_ = worker_last_output((lab)->worker, 50, &(size_t){0});             \
		}                                                                                  \
		free(output_);                                                                     \
	} while (0)

static inline void lab_close(struct lab *lab)
{
	int before = lab->exits;

	if (lab->worker && worker_pid(lab->worker) && !worker_kill(lab->worker))
		lab_await(lab, lab->exits, before + 1);
	worker_free(lab->worker);
	reaper_end();
	sd_event_unref(lab->event);
	if (lab->cgroup)
		rmdir(lab->cgroup);
	free(lab->cgroup);
	nftw(lab->dir, lab_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#define lab_spawn(lab)                                                                             \
	do {                                                                                       \
		if (worker_spawn((lab)->worker, &(lab)->error))                                    \
			fail_msg("%s", (lab)->error.text);                                         \
	} while (0)

/* Runs the configured command to its end and returns all its output; free it. */
static inline char *lab_output(struct lab *lab)
{
	int before = lab->exits;

	lab_spawn(lab);
	lab_await(lab, lab->exits, before + 1);
	return worker_last_output(lab->worker, 200, &(size_t){0});
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "remember.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "backend_process.h"
#include "clock.h"
#include "log.h"
#include "publish.h"
#include "roll.h"

struct remembered {
	struct remembered *next;
	char name[BACKEND_NAME_BYTES];
	enum state state;
	int goal;
	unsigned failures, restarts;
	bool unready; /* the process has not been up yet */
	bool kept_out;
	struct health_tally tally;
	struct worker_tried tried;
	unsigned long long retry_us; /* CLOCK_MONOTONIC: the same for the next lbd */
	unsigned long long drain_us; /* how long it may drain, */
	unsigned long long since_us; /* from when on, by CLOCK_MONOTONIC; 0: not known */
	enum turn turn;
};

enum { VERSION = 2 };

static const char *const goals[] = {
	[GOAL_RUN] = "run",         [GOAL_DRAIN] = "drain", [GOAL_STOP] = "stop",
	[GOAL_RESTART] = "restart", [GOAL_LEAVE] = "leave",
};

/* As version 1 numbered them; never to be changed. */
static const char *const old_states[] = {
	"",        "stopped",  "starting", "up",     "down",  "draining",
	"drained", "stopping", "backoff",  "exited", "fatal",
};
static const char *const old_goals[] = {"run", "drain", "stop", "restart", "leave"};

static void path_of(const char *run_dir, char path[256])
{
	snprintf(path, 256, "%s/states", run_dir);
}

static void write_tried(FILE *file, struct worker_tried tried)
{
	fprintf(file, "tried_settings=%" PRIu64 " tried_files=%" PRIu64 " ", tried.settings,
		tried.files);
}

static void write_one(void *arg, struct backend *backend)
{
	struct health_tally tally = health_tally(backend->health);

	if (!backend->worker && !backend->health && backend->state != STATE_DRAINING)
		return;
	fprintf(arg, "%s state=%s goal=%s turn=%s failures=%u restarts=%u good=%u bad=%u ",
		backend->name, state_name(backend->state), goals[backend->goal],
		roll_turn_name(backend->turn), backend->failures, backend->restarts, tally.good,
		tally.bad);
	if (state_has_process(backend->state) && !backend->ready_us)
		fprintf(arg, "unready=1 ");
	if (backend->kept_out)
		fprintf(arg, "kept_out=1 ");
	if (backend->worker)
		write_tried(arg, worker_tried(backend->worker));
	fprintf(arg, "retry_us=%llu drain_us=%llu since_us=%llu\n",
		(unsigned long long)backend->retry_us,
		(unsigned long long)backend->drain_timeout_us,
		(unsigned long long)backend->since_us);
}

static void print(FILE *file, const void *arg)
{
	/* Is only read: the cast is for the walk, which lets its callee change them. */
	struct model *model = (struct model *)arg;

	fprintf(file, "lbd-states %d\n", VERSION);
	pool_each_backend(model, write_one, file);
}

void remember_now(struct model *model)
{
	struct error error;
	char path[256];

	/* Should this end half-way, nobody has asked for these workers to be stopped: all are started again. */
	if (model->stopping)
		return;
	path_of(model->host->run_dir, path);
	if (publish("", path, 0600, print, model, &error))
		log_warning("%s", error.text);
}

static int write_now(sd_event_source *source, void *arg)
{
	(void)source;
	remember_now(arg);
	return 0;
}

void remember_later(struct model *model)
{
	if (!model->remember_source &&
	    sd_event_add_defer(model->event, &model->remember_source, write_now, model) < 0)
		return;
	sd_event_source_set_enabled(model->remember_source, SD_EVENT_ONESHOT);
}

void remember_settle(struct model *model)
{
	int pending = SD_EVENT_OFF;

	if (!model->remember_source ||
	    sd_event_source_get_enabled(model->remember_source, &pending) < 0 ||
	    pending == SD_EVENT_OFF)
		return;
	sd_event_source_set_enabled(model->remember_source, SD_EVENT_OFF);
	remember_now(model);
}

/* A state that is not known is taken as stopped: the worker's own record tells whether it runs. */
static enum state find_state(const char *name)
{
	for (int state = STATE_NONE + 1; state < STATE_COUNT; state++)
		if (!strcmp(state_name(state), name))
			return state;
	return STATE_STOPPED;
}

static int find_goal(const char *name)
{
	for (int goal = 0; goal <= GOAL_LEAVE; goal++)
		if (!strcmp(goals[goal], name))
			return goal;
	return GOAL_RUN;
}

static void take(struct remembered *one, const char *key, const char *value)
{
	if (!strcmp(key, "state"))
		one->state = find_state(value);
	else if (!strcmp(key, "goal"))
		one->goal = find_goal(value);
	else if (!strcmp(key, "good"))
		one->tally.good = strtoul(value, NULL, 10);
	else if (!strcmp(key, "bad"))
		one->tally.bad = strtoul(value, NULL, 10);
	else if (!strcmp(key, "failures"))
		one->failures = strtoul(value, NULL, 10);
	else if (!strcmp(key, "unready"))
		one->unready = strtoul(value, NULL, 10);
	else if (!strcmp(key, "kept_out"))
		one->kept_out = strtoul(value, NULL, 10);
	else if (!strcmp(key, "restarts"))
		one->restarts = strtoul(value, NULL, 10);
	else if (!strcmp(key, "tried_settings"))
		one->tried.settings = strtoull(value, NULL, 10);
	else if (!strcmp(key, "tried_files"))
		one->tried.files = strtoull(value, NULL, 10);
	else if (!strcmp(key, "retry_us"))
		one->retry_us = strtoull(value, NULL, 10);
	else if (!strcmp(key, "drain_us"))
		one->drain_us = strtoull(value, NULL, 10);
	else if (!strcmp(key, "since_us"))
		one->since_us = strtoull(value, NULL, 10);
	else if (!strcmp(key, "turn"))
		one->turn = roll_find_turn(value);
}

static bool parse(char *line, struct remembered *one)
{
	char *rest, *name = strtok_r(line, " \n", &rest), *word;

	if (!name)
		return false;
	snprintf(one->name, sizeof(one->name), "%s", name);
	while ((word = strtok_r(NULL, " \n", &rest))) {
		char *value = strchr(word, '=');

		if (!value)
			continue;
		*value++ = 0;
		take(one, word, value);
	}
	return true;
}

static bool parse_old(const char *line, struct remembered *one)
{
	unsigned state, goal;

	if (sscanf(line, "%127s %u %u %u %u %llu %llu", one->name, &state, &goal, &one->failures,
		   &one->restarts, &one->retry_us, &one->drain_us) != 7)
		return false;
	if (state < sizeof(old_states) / sizeof(*old_states))
		one->state = find_state(old_states[state]);
	if (goal < sizeof(old_goals) / sizeof(*old_goals))
		one->goal = find_goal(old_goals[goal]);
	return true;
}

/* All lines, each by the version that the first one names, into *list. */
static int read_lines(FILE *file, struct remembered **list)
{
	unsigned version = 1;
	char line[512];
	int err = 0;

	while (!err && fgets(line, sizeof(line), file)) {
		struct remembered one = {.state = STATE_STOPPED}, *entry;

		if (sscanf(line, "lbd-states %u", &version) == 1) {
			err = version > VERSION ? -EPROTO : 0;
			continue;
		}
		if (!(version == 1 ? parse_old(line, &one) : parse(line, &one)))
			continue;
		entry = malloc(sizeof(*entry));
		if (!entry)
			return -ENOMEM;
		one.next = *list;
		*entry = one;
		*list = entry;
	}
	return err;
}

static int read_file(const char *run_dir, struct remembered **list, struct error *error)
{
	char path[256];
	FILE *file;
	int err;

	path_of(run_dir, path);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "%s: %s", path, strerror(errno));
	err = read_lines(file, list);
	fclose(file);
	if (err == -EPROTO)
		return error_set(
			error, err,
			"%s was written by a newer lbd, and this one (" LB_VERSION
			") does not understand it: start the newer one, or remove the file "
			"to have workers started that were stopped or drained by command",
			path);
	return err ? error_set(error, err, "%s: %s", path, strerror(-err)) : 0;
}

static void free_list(struct remembered *list)
{
	struct remembered *next;

	for (struct remembered *at = list; at; at = next) {
		next = at->next;
		free(at);
	}
}

int remember_read(struct model *model, struct error *error)
{
	return read_file(model->host->run_dir, &model->remembered, error);
}

int remember_check(const char *run_dir, struct error *error)
{
	struct remembered *list = NULL;
	int err = read_file(run_dir, &list, error);

	free_list(list);
	return err;
}

void remember_forget(struct model *model)
{
	free_list(model->remembered);
	model->remembered = NULL;
}

static const struct remembered *find(const struct backend *backend)
{
	bool leaves = backend->goal == GOAL_LEAVE;

	/* One that leaves and one that waits for its end may be of one name. */
	for (const struct remembered *at = backend->model->remembered; at; at = at->next)
		if ((at->goal == GOAL_LEAVE) == leaves && !strcmp(at->name, backend->name))
			return at;
	return NULL;
}

/* Of the time that it had, what it has left now. */
static uint64_t drain_left_us(const struct remembered *known)
{
	uint64_t passed = known->since_us ? clock_us() - known->since_us : 0;

	if (known->state != STATE_DRAINING || known->drain_us == UINT64_MAX)
		return known->drain_us;
	return passed < known->drain_us ? known->drain_us - passed : 0;
}

static void restore_running(struct backend *backend, const struct remembered *known)
{
	/* From now on: nothing may be chosen between its being known and its draining. */
	if (known->goal > GOAL_RUN && known->goal <= GOAL_RESTART)
		backend->goal = (enum backend_goal)known->goal;
	if (known->state == STATE_STARTING)
		backend->state = STATE_STARTING;
	if (known->state == STATE_STARTING || known->unready)
		backend->ready_us = 0;
}

/* How it ended cannot be known: that is no reason to start what is never to be started again. */
static bool is_left_ended(const struct backend *backend, const struct remembered *known)
{
	return backend->pool->conf->worker->restart == RESTART_NEVER &&
	       datapath_adopted(backend->model->dp) && state_has_process(known->state) &&
	       (known->goal == GOAL_RUN || known->goal == GOAL_DRAIN);
}

static void restore_ended(struct backend *backend, const struct remembered *known)
{
	if (is_left_ended(backend, known)) {
		backend->state = STATE_EXITED;
		backend_note(backend,
			     "ended while no lbd was there; left so by its restart policy");
		log_info("%s: %s", backend->name, backend->note);
	}
	if (known->state == STATE_EXITED || known->state == STATE_FATAL ||
	    known->state == STATE_BACKOFF) {
		backend->state = known->state;
		backend->retry_us = known->retry_us;
		backend_note(backend, "%s before this lbd was started", state_name(known->state));
	}
	if (known->state == STATE_FATAL)
		backend_note(backend,
			     "given up before this lbd was started (start it by `lbctl worker "
			     "start %s`)",
			     backend->name);
	/* By command: out of service is also the process that follows the one that has ended. */
	if (known->goal == GOAL_STOP || known->goal == GOAL_DRAIN)
		backend->goal = (enum backend_goal)known->goal;
	if (known->goal == GOAL_STOP)
		backend->fresh = false;
}

void remember_tally(struct backend *backend)
{
	const struct remembered *known = find(backend);

	if (known && (!backend->worker || worker_pid(backend->worker)))
		backend->tally = known->tally;
}

void remember_restore(struct backend *backend)
{
	const struct remembered *known = find(backend);

	if (!known)
		return;
	if (!backend->worker) {
		/* Drained by command: its open connections have what is left of their time. */
		if (known->state == STATE_DRAINING && backend->state == STATE_DRAINED) {
			backend->state = STATE_DRAINING;
			backend->drain_timeout_us = drain_left_us(known);
		}
		return;
	}
	backend->failures = known->failures;
	backend->restarts = known->restarts;
	backend->turn = known->turn;
	worker_set_tried(backend->worker, known->tried);
	backend->kept_out = known->kept_out || known->goal == GOAL_DRAIN;
	if (worker_pid(backend->worker))
		restore_running(backend, known);
	else
		restore_ended(backend, known);
	if (backend->goal == GOAL_RUN)
		backend->goal = backend_goal_of_start(backend);
}

bool remember_stopping(const struct backend *backend)
{
	const struct remembered *known = find(backend);

	return known && known->state == STATE_STOPPING;
}

void remember_resume(struct backend *backend)
{
	const struct remembered *known = find(backend);

	if (!known || !backend->worker)
		return;
	if (backend->goal != GOAL_RUN && state_has_process(backend->state))
		backend_drain(backend, drain_left_us(known), backend->goal);
	else if (known->goal == GOAL_RESTART && backend->state == STATE_STOPPED)
		backend_process_start(backend, EVENT_START); /* its process has ended meanwhile */
}

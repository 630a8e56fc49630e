/* SPDX-License-Identifier: Apache-2.0 */
#include "remember.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"
#include "log.h"

struct remembered {
	struct remembered *next;
	char name[BACKEND_NAME_BYTES];
	enum state state;
	int goal;
	unsigned failures, restarts;
	unsigned long long retry_us; /* CLOCK_MONOTONIC: the same for the next lbd */
	unsigned long long drain_us; /* how long it may drain */
};

static void path_of(const char *run_dir, const char *suffix, char path[256])
{
	snprintf(path, 256, "%s/states%s", run_dir, suffix);
}

static void write_one(void *arg, struct backend *backend)
{
	if (backend->worker)
		fprintf(arg, "%s %d %d %u %u %llu %llu\n", backend->name, backend->state,
			backend->goal, backend->failures, backend->restarts,
			(unsigned long long)backend->retry_us,
			(unsigned long long)backend->drain_timeout_us);
}

static int write_now(sd_event_source *source, void *arg)
{
	struct model *model = arg;
	char path[256], aside[256];
	FILE *file;
	bool bad;

	(void)source;
	path_of(model->host->run_dir, "", path);
	path_of(model->host->run_dir, ".new", aside);
	file = fopen(aside, "we");
	if (!file)
		return 0;
	pool_each_backend(model, write_one, file);
	bad = ferror(file);
	bad |= fclose(file) != 0;
	if (bad || rename(aside, path))
		log_warning("%s: cannot be written: %s", path, strerror(errno));
	return 0;
}

void remember_later(struct model *model)
{
	if (!model->remember_source &&
	    sd_event_add_defer(model->event, &model->remember_source, write_now, model) < 0)
		return;
	sd_event_source_set_enabled(model->remember_source, SD_EVENT_ONESHOT);
}

int remember_read(struct model *model)
{
	struct remembered one = {0};
	char path[256];
	FILE *file;
	int state;

	path_of(model->host->run_dir, "", path);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (fscanf(file, "%127s %d %d %u %u %llu %llu", one.name, &state, &one.goal,
		      &one.failures, &one.restarts, &one.retry_us, &one.drain_us) == 7) {
		struct remembered *entry = malloc(sizeof(*entry));

		if (!entry)
			break;
		one.state = state > STATE_NONE && state < STATE_COUNT ? state : STATE_STOPPED;
		one.next = model->remembered;
		*entry = one;
		model->remembered = entry;
	}
	fclose(file);
	return 0;
}

void remember_forget(struct model *model)
{
	struct remembered *next;

	for (struct remembered *at = model->remembered; at; at = next) {
		next = at->next;
		free(at);
	}
	model->remembered = NULL;
}

static const struct remembered *find(const struct backend *backend)
{
	for (const struct remembered *at = backend->model->remembered; at; at = at->next)
		if (!strcmp(at->name, backend->name))
			return at;
	return NULL;
}

void remember_restore(struct backend *backend)
{
	const struct remembered *known = find(backend);

	if (!known || !backend->worker)
		return;
	backend->failures = known->failures;
	backend->restarts = known->restarts;
	if (worker_pid(backend->worker)) {
		/* From now on: nothing may be chosen between its being known and its draining. */
		if (known->goal > GOAL_RUN && known->goal <= GOAL_RESTART)
			backend->goal = (enum backend_goal)known->goal;
		if (known->state == STATE_STARTING) {
			backend->state = STATE_STARTING;
			backend->ready_us = 0;
		}
		return;
	}
	if (known->state == STATE_EXITED || known->state == STATE_FATAL ||
	    known->state == STATE_BACKOFF) {
		backend->state = known->state;
		backend->retry_us = known->retry_us;
		backend_note(backend, "%s before this lbd was started", state_name(known->state));
	}
	if (known->goal == GOAL_STOP) {
		backend->goal = GOAL_STOP;
		backend->fresh = false;
	}
}

void remember_resume(struct backend *backend)
{
	const struct remembered *known = find(backend);

	if (!known || !backend->worker || !state_has_process(backend->state) ||
	    known->goal == GOAL_RUN || known->goal > GOAL_RESTART)
		return;
	backend_drain(backend, known->drain_us, (enum backend_goal)known->goal);
}

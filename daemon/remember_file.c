/* SPDX-License-Identifier: Apache-2.0 */
#include "remember_file.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "publish.h"
#include "roll.h"

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

static bool is_plain(unsigned char byte)
{
	return isascii(byte) && isalnum(byte);
}

/* DANGER: it may end with what a worker wrote, which is to be one word and no other worker's line. */
static void write_note(FILE *file, const char *note)
{
	fprintf(file, " note=");
	for (; *note; note++)
		fprintf(file, is_plain(*note) ? "%c" : "%%%02x", (unsigned char)*note);
}

static void read_note(const char *word, char note[BACKEND_NOTE_BYTES])
{
	size_t used = 0;

	while (*word && used < BACKEND_NOTE_BYTES - 1) {
		unsigned byte = (unsigned char)*word;
		int length = 1;

		if (byte == '%' && sscanf(word, "%%%2x%n", &byte, &length) != 1)
			break;
		note[used++] = (char)byte;
		word += length;
	}
	note[used] = 0;
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
	fprintf(arg, "retry_us=%llu drain_us=%llu since_us=%llu",
		(unsigned long long)backend->retry_us,
		(unsigned long long)backend->drain_timeout_us,
		(unsigned long long)backend->since_us);
	/* The last: an older lbd reads no more than 511 bytes of a line. */
	if (!state_has_process(backend->state) && *backend->note)
		write_note(arg, backend->note);
	fputc('\n', arg);
}

static void print(FILE *file, const void *arg)
{
	/* Is only read: the cast is for the walk, which lets its callee change them. */
	struct model *model = (struct model *)arg;

	fprintf(file, "lbd-states %d %" PRIu64 "\n", VERSION, clock_us());
	pool_each_backend(model, write_one, file);
}

int remember_file_write(const struct model *model, struct error *error)
{
	char path[256];

	path_of(model->host->run_dir, path);
	return publish("", path, 0600, print, model, error);
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
	else if (!strcmp(key, "note"))
		read_note(value, one->note);
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

/* By the version that the first line names, into *list. */
static int read_line(char *line, unsigned *version, struct remembered **list, uint64_t *written_us)
{
	struct remembered one = {.state = STATE_STOPPED}, *entry;

	if (sscanf(line, "lbd-states %u %" SCNu64, version, written_us) >= 1)
		return *version > VERSION ? -EPROTO : 0;
	if (!(*version == 1 ? parse_old(line, &one) : parse(line, &one)))
		return 0;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	one.next = *list;
	*entry = one;
	*list = entry;
	return 0;
}

static int read_lines(FILE *file, struct remembered **list, uint64_t *written_us)
{
	unsigned version = 1;
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	while (!err && getline(&line, &size, file) >= 0)
		err = read_line(line, &version, list, written_us);
	free(line);
	return err;
}

int remember_file_read(const char *run_dir, struct remembered **list, uint64_t *written_us,
		       struct error *error)
{
	char path[256];
	FILE *file;
	int err;

	path_of(run_dir, path);
	*written_us = UINT64_MAX;
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "%s: %s", path, strerror(errno));
	*written_us = 0;
	err = read_lines(file, list, written_us);
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

void remember_file_free(struct remembered *list)
{
	struct remembered *next;

	for (struct remembered *at = list; at; at = next) {
		next = at->next;
		free(at);
	}
}
